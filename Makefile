# A fresh Debian 12 machine with Rust needs nothing but these.

# The build binds CUDA 12.0's driver API; .cargo/config.toml says the same to cargo alone.
export CUDARC_CUDA_VERSION := 12000

.PHONY: demo test slurm-test gpu-test lint bench soak setup plugin kit

# `make` builds what is installed, with the networks. The tests' entry points are no part of it: a
# build of the whole workspace has them, so it leaves the plugin out and takes its own engine.
plugin: setup
	cargo build --release -p gst-plugin-propainter -p propainter-cli
	@$(links)

# The program acts as the subcommand that the name of a link to it ends with.
links = for name in demo monitor weights; do ln -sf propainter target/release/propainter-$$name; done

# `make demo` shows a generated clip; `make demo VIDEO=clip.mp4 MASK=mask.png` your own;
# `make demo DEMO="--model propainter"` adds options. It replaces out/demo.mp4 and out/demo.png;
# to read one of them, name another folder: `make demo VIDEO=out/demo.mp4 MASK=mask.png
# DEMO="--output other"`.
# Without networks, unless DEMO names them, it builds in minutes.
ifneq (,$(findstring --model propainter,$(subst =, ,$(DEMO))))
demo: plugin
	target/release/propainter demo $(video) $(DEMO)
else
demo:
	@sh scripts/setup.sh --no-networks
	cargo build --release --no-default-features -p gst-plugin-propainter -p propainter-cli --target-dir target/demo
	target/demo/release/propainter demo $(video) $(DEMO)
endif

video = $(if $(VIDEO),--video "$(VIDEO)") $(if $(MASK),--mask "$(MASK)")

# A warning of GLib or GStreamer is a defect of this project: it ends the test.
test: export G_DEBUG = fatal-warnings
test: plugin
	@sh scripts/test.sh

# Format, clippy, documentation, dependencies, spelling.
lint: setup
	@sh scripts/lint.sh

bench: plugin
	cargo build --release --workspace --exclude gst-plugin-propainter --examples
	target/release/examples/stages
	target/release/examples/propagation_speed

# Memory stays flat over 20,000 frames; and the tests that are too long for `make test`.
soak: export G_DEBUG = fatal-warnings
soak: plugin
	cargo test --release --workspace --exclude gst-plugin-propainter --test all -- --ignored
	cargo test --release --workspace --exclude gst-plugin-propainter --test memory -- --include-ignored
	sh scripts/soak.sh

# The tests on the virtual GPU that are too long for `make test`: the networks' golden vectors, computed
# from the PTX of every kernel; memory of large frames; every allocation and launch that can fail.
gpu-test: plugin
	cargo test --release --workspace --exclude gst-plugin-propainter --test all -- gpu:: --include-ignored

# deploy/slurm.sbatch on a Slurm that is started for it: needs root, and installs Slurm.
slurm-test: plugin
	@sh scripts/slurm-test.sh

# `propainter check` in an archive for a machine with NVIDIA's driver and nothing else.
kit: setup
	@sh scripts/kit.sh

setup:
	@sh scripts/setup.sh
