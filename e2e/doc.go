// Package e2e holds the stories: testscript files in testdata that drive the
// built binaries as a user does, against real servers and real images.
//
// Beside testscript's own words a story has:
//
//	baseimage NAME          makes an image with a static busybox and calls it NAME
//	debian NAME             imports a Debian, made from the machine's package sources, and calls it NAME
//	answers NAME PORT TEXT  asks a container's published port over HTTP until the answer matches TEXT
//	machine DIR             copies how this machine reaches package registries there; sets $GOROOT
//	code N COMMAND…         runs a command and checks its exit code
//	eventually COMMAND…     runs a command until it succeeds, 20 s at most
//	registry start [flag…]  starts a registry; sets $REGISTRY (host:port), $PASSWORD; trusts its CA
//	registry stop|kill      ends it by SIGTERM or SIGKILL
//	registry again          starts it again on the same data and port
//	corrupt DIR SIZE        flips a byte in every file of DIR larger than SIZE
//	nothing-left            fails if a mount, cgroup or process of this story is left
//
// and the conditions [root], [busybox] and [soak].
package e2e
