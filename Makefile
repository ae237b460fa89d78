# A fresh Debian 12 machine with Rust needs nothing but these.

.PHONY: demo test bench setup plugin

# `make demo` shows a generated clip; `make demo VIDEO=clip.mp4 MASK=mask.png` your own.
demo: plugin
	cargo run --release --quiet -p propainter-tools --bin propainter-demo -- $(if $(VIDEO),--video $(VIDEO)) $(if $(MASK),--mask $(MASK)) $(DEMO)

test: setup
	cargo test --release --workspace

bench: setup
	cargo run --release --quiet -p propainter-tests --example stages

plugin: setup
	cargo build --release -p gst-plugin-propainter

setup:
	@sh scripts/setup.sh
