// Package secure is the end of a syslog connection that speaks TLS: a program of its own
// between the parent of a container, which links none, and the server. What it is given
// on its standard input goes to the server as it is.
package secure

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"cove/runner/logs/ship"
)

// patience is how long one write to the server may take.
const patience = 10 * time.Second

// Main is the program. in is a socket, which is answered once: an empty line when the
// server was reached and is who it should be, and otherwise what is wrong. It ends when
// there is nothing more to send, or the server goes away. The exit status is its result.
func Main(args []string, in io.ReadWriter) int {
	conn, err := dial(args)
	if err != nil {
		fmt.Fprintln(in, string(bytes.ReplaceAll([]byte(err.Error()), []byte("\n"), []byte(" "))))
		return 1
	}
	defer conn.Close()
	if _, err := io.WriteString(in, "\n"); err != nil {
		return 1
	}
	ended := make(chan int, 2)
	// A syslog server says nothing: what can be read is that it goes away, and the one
	// who sends hears it by the end of this program.
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		ended <- 1
	}()
	go func() {
		_, err := io.Copy(patient{conn}, in)
		if err == nil {
			err = conn.CloseWrite()
		}
		if err != nil {
			ended <- 1
			return
		}
		ended <- 0
	}()
	return <-ended
}

// patient is a connection none of whose writes waits for ever.
type patient struct{ conn net.Conn }

func (p patient) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.conn.Write(b)
}

func dial(args []string) (*tls.Conn, error) {
	flags := flag.NewFlagSet(ship.SecureProgram, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	ca, cert := flags.String("ca", "", ""), flags.String("cert", "", "")
	key, trusting := flags.String("key", "", ""), flags.Bool("skip-verify", false, "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		return nil, errors.New("want HOST:PORT")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: *trusting} //nolint:gosec // asked for by name
	if *ca != "" && !*trusting {
		if err := trust(config, *ca); err != nil {
			return nil, err
		}
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, fmt.Errorf("syslog-tls-cert and syslog-tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	ctx, cancel := context.WithTimeout(context.Background(), ship.DialPatience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", flags.Arg(0))
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// trust adds the authorities of a file to those of this host.
func trust(config *tls.Config, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("syslog-tls-ca-cert: %w", err)
	}
	// Without authorities of the host, those of the file are the only ones.
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("syslog-tls-ca-cert: %s has no certificate", file)
	}
	return nil
}
