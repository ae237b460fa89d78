//! The functions of the driver's interface, as `cuda.h` declares them, a file a group. Each locks
//! the driver, and answers with a status.

#![allow(non_snake_case)]

pub mod context;
pub mod control;
pub mod copies;
pub mod device;
pub mod graphs;
pub mod memory;
pub mod modules;
pub mod pools;
pub mod reservations;
pub mod streams;
pub mod unsupported;

use std::{
    ffi::{CStr, c_char},
    panic::{self, AssertUnwindSafe},
};

use crate::{
    driver::{Driver, driver},
    status::{Answer, Status},
};

/// Runs a call of the interface. A panic ends in `CUDA_ERROR_UNKNOWN`, with its message on stderr.
pub fn call(body: impl FnOnce(&mut Driver) -> Answer) -> Status {
    let answer = panic::catch_unwind(AssertUnwindSafe(|| body(&mut driver())));
    match answer {
        Ok(Ok(())) => Status::SUCCESS,
        Ok(Err(status)) => status,
        Err(_) => Status::UNKNOWN,
    }
}

/// Declares functions of the interface: each gets the locked driver, and answers.
macro_rules! interface {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) |$driver:ident| $body:expr;
    )*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> $crate::status::Status {
            $crate::abi::call(|$driver| $body)
        }
    )*};
}
pub(crate) use interface;

/// A pointer to which a function writes its result.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the result.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the pointer is null.
    pub fn set(self, value: T) -> Answer {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface says that the pointer leads to a value of this type.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// Writes the result if the caller wants it.
    pub fn set_if_wanted(self, value: T) {
        // A null pointer says that it does not.
        let _ = self.set(value);
    }

    /// Writes the `i`-th element of an array of results.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_at(self, i: usize, value: T) -> Answer {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        Self(self.0.wrapping_add(i)).set(value)
    }

    /// Whether the pointer is null.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Takes the pointer as one to another type.
    pub fn cast<U>(self) -> Out<U> {
        Out(self.0.cast())
    }
}

impl<T: Copy> Out<T> {
    /// Reads what the caller has written there.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn get(self) -> Answer<T> {
        In(self.0.cast_const()).get()
    }
}

impl Out<c_char> {
    /// Writes a text that ends with a zero, cut to `length` bytes.
    ///
    /// # Errors
    /// As [`set`](Out::set).
    pub fn set_text(self, text: &str, length: i32) -> Answer {
        let length = usize::try_from(length).map_err(|_| Status::INVALID_VALUE)?;
        let room = length.checked_sub(1).ok_or(Status::INVALID_VALUE)?;
        let text = text.bytes().take(room).chain([0]);
        text.enumerate()
            .try_for_each(|(i, byte)| self.set_at(i, byte as c_char))
    }
}

/// A pointer from which a function reads an argument.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct In<T>(*const T);

impl<T: Copy> In<T> {
    /// Takes an address that the caller gave as a number.
    pub fn at_address(address: u64) -> Self {
        Self(address as *const T)
    }

    /// Reads the argument.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the pointer is null.
    pub fn get(self) -> Answer<T> {
        self.at(0)
    }

    /// Reads the `i`-th element of an array.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn at(self, i: usize) -> Answer<T> {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface says that the pointer leads to values of this type, as many as the
        // caller has told.
        Ok(unsafe { self.0.wrapping_add(i).read_unaligned() })
    }

    /// Whether the pointer is null.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Returns `count` bytes from the pointer on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn bytes(self, count: usize) -> Answer<Vec<u8>> {
        (0..count).map(|i| In(self.0.cast::<u8>()).at(i)).collect()
    }
}

/// A text that ends with a zero.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Text(*const c_char);

impl Text {
    /// Returns the bytes of the text.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the pointer is null.
    pub fn bytes<'a>(self) -> Answer<&'a [u8]> {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface says that the text ends with a zero, and it is used within the call.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// Returns the text.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if it is null or not UTF-8.
    pub fn str<'a>(self) -> Answer<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Status::INVALID_VALUE)
    }
}
