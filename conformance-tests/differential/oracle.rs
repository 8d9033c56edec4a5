//! The reference validator as a program that answers questions, and what it said before.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The reference, with its definitions and the file that keeps its answers.
pub struct Oracle {
    program: String,
    definitions: Vec<PathBuf>,
    /// Of the definitions: their answers hold as long as they stay the same.
    digest: Vec<u8>,
    cache: Option<PathBuf>,
    known: HashMap<String, Value>,
}

fn digest_of(path: &Path, into: &mut Sha256) {
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.iter().for_each(|path| digest_of(path, into));
    } else if let Ok(bytes) = std::fs::read(path) {
        into.update(bytes);
    }
}

impl Oracle {
    /// `cache` is a file of one answer a line; it is made when it is not there.
    pub fn new(program: String, definitions: Vec<PathBuf>, cache: Option<PathBuf>) -> Oracle {
        let mut digest = Sha256::new();
        definitions.iter().for_each(|path| digest_of(path, &mut digest));
        let mut known = HashMap::new();
        if let Some(text) = cache.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) {
            for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                if let Some(key) = line["key"].as_str() {
                    known.insert(key.to_owned(), line["answer"].clone());
                }
            }
        }
        Oracle { program, definitions, digest: digest.finalize().to_vec(), cache, known }
    }

    fn key(&self, body: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.digest);
        hash.update(body);
        hex::encode(hash.finalize())
    }

    /// What the reference says of each of the bodies, in order.
    pub fn ask(&mut self, bodies: &[String]) -> Vec<Value> {
        let keys: Vec<String> = bodies.iter().map(|body| self.key(body)).collect();
        let new: Vec<usize> =
            (0..bodies.len()).filter(|index| !self.known.contains_key(&keys[*index])).collect();
        if !new.is_empty() {
            self.run(bodies, &keys, &new);
        }
        keys.iter().map(|key| self.known.get(key).expect("an answer to every question").clone()).collect()
    }

    fn run(&mut self, bodies: &[String], keys: &[String], new: &[usize]) {
        let mut command = Command::new(&self.program);
        for path in &self.definitions {
            command.arg("--definitions").arg(path);
        }
        let mut child = command
            .arg("--stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle starts");
        let mut stdin = child.stdin.take().expect("its input");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let lines: Vec<String> = new
            .iter()
            .map(|index| json!({"id": index.to_string(), "body": bodies[*index]}).to_string())
            .collect();
        let writer = std::thread::spawn(move || {
            for line in lines {
                if writeln!(stdin, "{line}").is_err() {
                    return;
                }
            }
        });
        let mut kept = self
            .cache
            .as_ref()
            .map(|path| OpenOptions::new().create(true).append(true).open(path).expect("the cache opens"));
        for line in stdout.lines().map_while(Result::ok) {
            let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
            let Some(index) = answer["id"].as_str().and_then(|id| id.parse::<usize>().ok()) else { continue };
            if let Some(file) = &mut kept {
                writeln!(file, "{}", json!({"key": keys[index], "answer": answer}))
                    .expect("the cache is written");
            }
            self.known.insert(keys[index].clone(), answer);
        }
        writer.join().expect("the questions are asked");
        let _ = child.wait();
    }
}
