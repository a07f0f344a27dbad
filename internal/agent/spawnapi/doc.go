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
//     messages. The spawner sends one Exit when the process has ended. If the SSH
//     server closes the connection before, the spawner hangs up the terminal.
//   - Listen: the connection belongs to the listening sockets. When the SSH server
//     closes it, the spawner removes what it created in the file system.
//   - All others: the connection ends after the reply.
//
// A message is JSON after its length in bytes, 4 bytes in network byte order. Its length
// is limited: see the constants in conn.go. Text that a client of the SSH server has sent
// can have any bytes, so its fields are []byte, which JSON encodes in base64.
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
// Some sandboxes may not pass open files. The SSH server finds that out with a Probe
// and then sets Relay in its requests: no files are passed. A spawner that cannot pass a
// file does the same without being asked, because the kernel limits the files of a user
// that are on their way. Its reply then has Relayed set. The reply to Start or Dial has in
// Streams a number for each file, and the spawner of a Listen sends an Accepted message
// for each accepted connection. The SSH server opens a
// connection and sends the number in an Attach request. The reply to that is followed
// by the bytes of the stream, in both directions.
//
// # Trust
//
// Both sides check the user id at the other end of a connection (SO_PEERCRED).
//
// The spawner obeys only the user id of the SSH server. This matters most if the
// server's user may not be root but the spawner is.
//
// The SSH server trusts the spawner with nothing, because a user can replace it
// where the spawner runs as that user. It accepts only the kinds of files that it
// expects, and bounds messages and the time until a reply. From a Report it believes
// what keeps the server from being suspended.
//
// # Versions
//
// The two programs can be of different versions, because the SSH server is updated
// while the user's container runs. A field is never removed and never changes its
// meaning. Each side ignores fields that it does not know. A spawner answers a
// request that it does not know with a Refusal. Version is incremented with each
// addition, and each side reports its own, for its log only.
package spawnapi
