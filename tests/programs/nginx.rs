//! A real nginx, for a test.

use crate::file;
use crate::process::Program;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use tests::{left_out, send_signal};

/// One that runs. It ends with this.
pub(crate) struct Nginx {
    program: Program,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    log: String,
}

impl Nginx {
    /// Starts one with these lines in its `http` and in its `server`. `None` where none is installed: then the test is left
    /// out.
    pub(crate) fn start(name: &str, http: &str, server: &str) -> Option<Nginx> {
        if Command::new("nginx").arg("-v").output().is_err() {
            left_out("there is no nginx");
            return None;
        }
        let folder = format!("{}/nginx-{name}", env!("CARGO_TARGET_TMPDIR"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the target folder takes folders");
        let log = format!("{folder}/access.log");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
        // A port that was free a moment ago; another one if somebody else has it by now.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            let address = free.expect("there is a free port");
            // Whoever may start it as root may have a target folder that others cannot read.
            let config = format!(
                "daemon off; user root; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n\
                 http {{ log_format line '$request_uri $status $sent_http_content_encoding'; access_log {log} line;\n{temporary}{http}\n\
                 server {{ listen {address};\n{server} }} }}\n"
            );
            let path = file(&format!("nginx-{name}/nginx.conf"), &config);
            let mut command = Command::new("nginx");
            let mut program = Program::spawn(command.args(["-c", &path, "-e", &format!("{folder}/error.log")]));
            let mut ended = || program.child.try_wait().expect("it is our child").is_some();
            while !ended() && TcpStream::connect(address).is_err() {
                thread::yield_now();
            }
            if !ended() {
                return Some(Nginx { program, address, log });
            }
        }
        panic!("nginx does not start: {:?}", std::fs::read_to_string(format!("{folder}/error.log")));
    }

    /// Ends it, and gives the requests that it has answered, in order: path, status, and how the answer was packed.
    /// Connections that nothing was sent over are none.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.stop();
        let log = std::fs::read_to_string(&self.log).expect("nginx makes its log when it starts");
        log.lines().map(str::to_string).collect()
    }

    fn stop(&mut self) {
        // Its worker ends with it, as long as it is asked and not killed. The log is written by then.
        if let Ok(None) = self.program.child.try_wait() {
            send_signal("TERM", self.program.child.id());
            let _ = self.program.child.wait();
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}
