package etc

import (
	"io"
	"net"
)

// Asker is whose questions for names are answered.
type Asker struct {
	// Dir is the directory of the root's networks, ID the container's.
	Dir, ID string
	// Links are containers by the names that this one alone has for them: the ID of each,
	// or "", and the name by which it is found if that ID is not there.
	Links map[string][]string
	// Upstreams are asked for what is no container, as HOST:PORT; none is refused.
	Upstreams []string
}

// Answer answers questions for names on two sockets until it is closed, which closes them.
type Answer func(udp net.PacketConn, tcp net.Listener, who Asker) io.Closer
