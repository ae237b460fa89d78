//! `propainter man`.

use std::{fs, io, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use thiserror::Error;

use crate::{
    Cli, Console,
    output::{Existing, Output, OutputError},
};

/// Prints the manual page of propainter, or writes the pages of all subcommands.
#[derive(Debug, Args)]
pub struct Options {
    /// Folder to write the page of each subcommand to; it is created where it does not exist
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Replace pages that exist
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// An error that keeps manual pages from being written.
#[derive(Debug, Error)]
pub enum ManError {
    #[error("{}: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// A manual page.
#[derive(Debug)]
pub struct Page {
    /// Name of its file, such as `propainter-demo.1`.
    pub file_name: String,
    /// The page in roff.
    pub text: Vec<u8>,
}

/// Prints the program's page, or writes all pages.
///
/// # Errors
/// A page cannot be written, or exists and may not be replaced.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), ManError> {
    let pages = pages()?;
    let Some(folder) = &options.output else {
        for page in pages.iter().take(1) {
            console.out.write_all(&page.text)?;
        }
        return Ok(());
    };
    fs::create_dir_all(folder).map_err(|source| ManError::Folder {
        folder: folder.clone(),
        source,
    })?;
    for page in pages {
        let existing = Existing::with_force(options.force);
        let output = Output::create(&folder.join(&page.file_name), &[], existing)?;
        fs::write(output.part(), &page.text)?;
        output.commit()?;
    }
    Ok(())
}

/// Returns the page of the program, followed by those of its subcommands.
///
/// # Errors
/// None that can happen: the pages are written to memory.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add_pages(program, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: clap::Command, pages: &mut Vec<Page>) -> io::Result<()> {
    let subcommands: Vec<_> = command.get_subcommands().cloned().collect();
    let man = Man::new(command)
        .source(concat!("propainter ", env!("CARGO_PKG_VERSION")))
        .manual("propainter");
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push(Page {
        file_name: man.get_filename(),
        text,
    });
    for subcommand in subcommands {
        add_pages(subcommand, pages)?;
    }
    Ok(())
}
