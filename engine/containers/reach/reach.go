// Package reach says of what a container is given that it is more than it looks: a socket at which
// this API is answered without limits makes whoever has it root on the host.
package reach

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"cove/engine/runspec"
)

// Header says on every answer to a ping what callers of a socket may do.
const Header = "Cove-Access"

// Whole is what says it of a socket that allows everything.
const Whole = "all"

// patience is how long a socket may take to say what it is.
const patience = time.Second

// Warnings are for whoever makes a container, about the sockets of the host among its mounts.
func Warnings(ctx context.Context, volumes []runspec.Volume) (all []string) {
	for _, v := range volumes {
		if v.Named() || v.Image || v.Source == "" {
			continue
		}
		info, err := os.Stat(v.Source)
		if err != nil || info.Mode().Type() != os.ModeSocket || !allowsAll(ctx, v.Source) {
			continue
		}
		all = append(all, fmt.Sprintf("%s is the API of cove with every permission: who has it in the container "+
			"is root on this machine (to give less, `cove api serve --socket SOCKET --allow read,events`, "+
			"and mount that one)", v.Source))
	}
	return all
}

// allowsAll asks a socket. One that is something else, or does not answer, is none of it.
func allowsAll(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if conn.SetDeadline(deadline) != nil {
		return false
	}
	if _, err := conn.Write([]byte("HEAD /_ping HTTP/1.0\r\n\r\n")); err != nil {
		return false
	}
	var answer []byte
	for buf := make([]byte, 4096); len(answer) < cap(buf); {
		n, err := conn.Read(buf)
		answer = append(answer, buf[:n]...)
		if err != nil {
			break
		}
	}
	return bytes.HasPrefix(answer, []byte("HTTP/1.0 200 ")) &&
		bytes.Contains(answer, []byte("\r\n"+Header+": "+Whole+"\r\n"))
}
