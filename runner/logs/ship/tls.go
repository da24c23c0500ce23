package ship

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// overTLS is the scheme, and here the network, of a server that is spoken to by TLS.
const overTLS = "tcp+tls"

// SecureProgram is how the program that speaks TLS is called (runner/logs/ship/secure).
const SecureProgram = "cove-syslog-tls"

// secureHost is the file of that program, which is another one under that name: the
// parent of a container would have the tables of TLS in its memory for each of them.
const secureHost = "build"

// Docker's options of TLS.
const (
	optCA   = "syslog-tls-ca-cert"
	optCert = "syslog-tls-cert"
	optKey  = "syslog-tls-key"
	optSkip = "syslog-tls-skip-verify"
)

// secured reads the options of TLS as the arguments of SecureProgram.
func secured(options map[string]string) (args []string, err error) {
	for _, o := range []struct{ name, flag string }{{optCA, "-ca"}, {optCert, "-cert"}, {optKey, "-key"}} {
		path := options[o.name]
		if path == "" {
			continue
		}
		if !filepath.IsAbs(path) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "log option %s=%s: want an absolute path", o.name, path)
		}
		args = append(args, o.flag, path)
	}
	if (options[optCert] == "") != (options[optKey] == "") {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "log options %s and %s: want both or neither", optCert, optKey)
	}
	if text := options[optSkip]; text != "" {
		skip, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "log option %s=%s: want true or false", optSkip, text)
		}
		args = append(args, "-skip-verify="+strconv.FormatBool(skip))
	}
	return args, nil
}

// secureConn is a connection through a program that speaks TLS.
type secureConn struct {
	*net.UnixConn

	program *os.Process
	ended   chan struct{}
}

// dialSecure starts that program, and returns when it has reached the server.
func dialSecure(args []string) (net.Conn, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program that speaks TLS: %w", err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "syslog"), os.NewFile(uintptr(fds[1]), "syslog")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: filepath.Join(filepath.Dir(exe), secureHost), Args: append([]string{SecureProgram}, args...),
		Dir: "/", Env: []string{"GOMAXPROCS=1"}, Stdin: theirs,
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: the program %s speaks TLS, and is to be beside %s: %w",
			overTLS, secureHost, exe, err)
	}
	c := &secureConn{conn.(*net.UnixConn), cmd.Process, make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(c.ended)
	}()
	if err := c.reached(); err != nil {
		_ = c.program.Kill()
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// reached waits for the program's answer.
func (c *secureConn) reached() error {
	// It has as long for the server, and some time to begin.
	if err := c.SetReadDeadline(time.Now().Add(2 * DialPatience)); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: the program that speaks TLS did not begin: %w", overTLS, err)
	}
	if answer = strings.TrimSpace(answer); answer != "" {
		return errors.New(answer)
	}
	return nil
}

// Close sends what was written, and ends the connection; it waits no longer for that
// than for a server to be there.
func (c *secureConn) Close() error {
	_ = c.CloseWrite()
	select {
	case <-c.ended:
	case <-time.After(DialPatience):
		_ = c.program.Kill()
		<-c.ended
	}
	return c.UnixConn.Close()
}
