// Package spawner is PID 1 of the user's container. It starts the processes of
// sessions for the SSH server, which runs in another container, collects processes
// whose parents have ended, and watches whether the server is active. Package spawnapi
// has the protocol between the two.
//
// It holds no secret: unless the flavor grants root, it runs as the user, who can replace
// it.
package spawner
