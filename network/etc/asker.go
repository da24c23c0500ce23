package etc

import (
	"io"
	"net"
)

// Asker is whose questions for names are answered.
type Asker struct {
	// Dir is the directory of the root's networks, ID the container's.
	Dir, ID string
	// Links are containers by the names that this one alone has for them.
	Links map[string]Link
	// Upstreams are asked for what is no container, as HOST:PORT; none is refused.
	Upstreams []string
}

// Answer answers questions for names on two sockets until it is closed, which closes them.
type Answer func(udp net.PacketConn, tcp net.Listener, who Asker) io.Closer

// Link is a container that another has a name of its own for.
type Link struct {
	// ID may be "", for one that is to come; Name finds what has not that ID.
	ID, Name string
}
