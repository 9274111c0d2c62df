//! Stands between GitHub and the program, and kills the program while a webhook comes in: a while after the request was
//! handed on, or when the answer is there and has not left.

use crate::process::Process;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first webhook of each event that starts or wakes a run, by something that only it holds.
const MEANT: [(&str, &str); 3] =
    [("push", "refs/tags/"), ("check_run", "\"action\":\"completed\""), ("deployment_status", "shop-deployer[bot]")];

/// Its address. It lives as long as the test.
pub fn stand_between(process: &Arc<Process>, event: &'static str, after: Option<Duration>, fired: &Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (process, fired) = (Arc::downgrade(process), Arc::clone(fired));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Some(process)) = (client, process.upgrade()) else { return };
            // Whatever ends early closes the connection, as a proxy does.
            let _ = hand_on(&mut client, &process, event, after, &fired);
        }
    });
    format!("http://{address}/webhook")
}

fn hand_on(
    client: &mut TcpStream,
    process: &Process,
    event: &str,
    after: Option<Duration>,
    fired: &AtomicBool,
) -> std::io::Result<()> {
    let (head, body) = read_request(client)?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, process.port()))?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(head.as_bytes())?;
    server.write_all(&body)?;
    let meant = head.to_lowercase().contains(&format!("x-github-event: {event}\r\n"));
    let (_, about) = MEANT.iter().find(|(name, _)| *name == event).unwrap();
    let meant = meant && String::from_utf8_lossy(&body).contains(about);
    if !meant || fired.swap(true, Ordering::SeqCst) {
        return pass_answer(&mut server, client);
    }
    match after {
        Some(span) => std::thread::sleep(span),
        None => drop(server.read_to_end(&mut Vec::new())),
    }
    process.kill();
    Ok(())
}

fn pass_answer(server: &mut TcpStream, client: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)
}

fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 * 1024]);
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        let n = client.read(&mut piece)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..n]);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = bytes[head..].to_vec();
    let rest = length.unwrap_or(0_usize).saturating_sub(body.len());
    let mut tail = vec![0; rest];
    client.read_exact(&mut tail)?;
    body.extend(tail);
    Ok((text, body))
}
