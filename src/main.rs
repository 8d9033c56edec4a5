//! The command `sgw`.

fn main() -> std::process::ExitCode {
    sgw::app::main()
}
