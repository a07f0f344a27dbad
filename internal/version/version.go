// Package version has the version of the program. A build sets it with
//
//	-ldflags "-X devserver.io/devserver/internal/version.Version=v1.2.3"
package version

// Version is the version of this build.
var Version = "dev"
