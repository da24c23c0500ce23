// Package outside reaches a registry that somebody names by its URL from within a lab, whose
// network leads nowhere: by a socket in the file system, behind which a process that stayed
// outside passes everything on.
package outside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"cove/bench/asker"
)

// Variable leads the processes of a lab to the socket.
const Variable = "COVE_BENCH_OUTSIDE"

// Check reads what somebody gave as the URL of a registry: http or https, with the user and
// password, if it wants one.
func Check(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("-registry: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("-registry %s: is not https://[USER:PASSWORD@]HOST[:PORT], or http://", u.Redacted())
	}
	return u, nil
}

// Open passes on what comes to a new socket to wherever its first line says, and names the
// socket in the environment of the processes that are started from now on. Call stop once.
func Open() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "bench-outside-") // nobody else's
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Setenv(Variable, socket); err != nil {
		return nil, errors.Join(err, l.Close(), os.RemoveAll(dir))
	}
	go accept(l) // until stop
	return func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

func accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go pass(conn) // until its client, which dies with the lab, hangs up
	}
}

// pass joins a connection to a new one, to the address in its first line, until either ends.
func pass(conn net.Conn) {
	defer conn.Close()
	from := bufio.NewReader(conn)
	to, err := from.ReadString('\n')
	if err != nil {
		return
	}
	far, err := net.Dial("tcp", strings.TrimSuffix(to, "\n"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err) // the client sees no more than that it ended
		return
	}
	defer far.Close()
	ended := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(far, from); ended <- struct{}{} }()
	go func() { _, _ = io.Copy(conn, far); ended <- struct{}{} }()
	<-ended
}

func dial(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", os.Getenv(Variable))
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, address+"\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Client asks that registry, by the socket of the environment.
func Client(to *url.URL) *asker.Client {
	pool := asker.Pool(&http.Transport{DialContext: dial})
	pool.Transport = &tokens{base: pool.Transport}
	base, user := url.URL{Scheme: to.Scheme, Host: to.Host}, to.User
	if user == nil {
		user = &url.Userinfo{}
	}
	return &asker.Client{Base: base.String(), User: user, HTTP: pool}
}
