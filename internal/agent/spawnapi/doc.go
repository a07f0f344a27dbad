// Package spawnapi is the protocol between the two programs of a running server:
// the SSH server in one container, and the spawner, which starts processes for it
// in the user's container. They share a folder with a unix socket on which the
// spawner listens.
//
// # Connections
//
// The SSH server opens a connection for each request. It sends one Request and
// receives one Reply. What happens next depends on the request:
//
//   - Start: the connection belongs to the process. The SSH server may send Control
//     messages. The spawner sends one Exit when the process has ended and, if its
//     terminal is relayed, its last output has been sent. If the SSH server closes the
//     connection before, the spawner hangs up the terminal.
//   - Listen: the connection belongs to the listening sockets. When the SSH server
//     closes it, the spawner removes what it created in the file system.
//   - Attach: the connection carries the bytes of a relayed stream after the reply.
//   - Dial, if the connection is relayed: the SSH server closes the request's connection
//     once it has attached to the stream.
//   - All others: the connection ends after the reply.
//
// A message is its length in bytes, as 4 bytes in network byte order, followed by JSON.
// The length is limited: see the constants in conn.go. Text that an SSH client has sent
// can contain any bytes, so its fields are []byte, which JSON encodes in base64.
//
// # Descriptors
//
// Data does not pass through the spawner. The programs pass each other open files,
// as control messages (SCM_RIGHTS) with the first byte of a message, at most
// maxFiles of them:
//
//   - Start without a terminal: the request has three pipe ends for the process's
//     standard input, output and error.
//   - Start with a terminal: the reply has the master of the pseudo-terminal.
//   - Listen: the reply has one or two listening sockets.
//   - Dial: the reply has the connected socket.
//   - Probe: the request has one pipe end.
//
// Some sandboxes may not pass open files. The SSH server finds that out with a Probe, and
// then sets Relay in its requests: no files are passed. The spawner also relays without
// that request if it cannot pass a file, because the kernel limits how many files of a
// user can be in transit. In both cases, its reply has Relayed set. The reply to a Start
// or Dial then has a number in Streams for each file. After a Listen, the spawner sends
// an Accepted message with a number for each accepted connection. To reach a stream, the
// SSH server opens a connection and sends the number in an Attach request. The bytes of
// the stream, in both directions, follow the reply.
//
// # Trust
//
// Both sides check the user id at the other end of a connection (SO_PEERCRED).
//
// The spawner obeys only the user id of the SSH server. This matters most if the
// spawner is root and the server's user is not.
//
// The SSH server does not trust the spawner, because a user can replace it if it
// runs as that user. The SSH server accepts only the kinds of files that it expects,
// and bounds messages and the time until a reply. It trusts only a Report, which at
// worst keeps the server from being suspended and shows users wrong figures.
//
// # Versions
//
// The two programs can be of different versions, because the SSH server is updated
// while the user's container runs. A field is never removed and never changes its
// meaning. Each side ignores fields that it does not know. A spawner answers a
// request that it does not know with a Refusal. Version is incremented with each
// addition. Each side sends its own, and neither depends on the other's.
package spawnapi
