package resolve

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// How long the upstreams have, and one packet to one of them: less than the five
// seconds after which a resolver in the container gives up.
const (
	patience = 4 * time.Second
	resend   = 1 * time.Second
)

// ask puts a question to one server.
type ask func(ctx context.Context, server string, q query, msg []byte) ([]byte, error)

// forward asks all upstreams at once. The first answer that settles the question
// wins; else any; else it is a failure of the server.
func (s *Server) forward(q query, msg []byte, ask ask) []byte {
	if len(s.cfg.Upstreams) == 0 {
		return q.reply(dnsmessage.RCodeServerFailure)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	answers := make(chan []byte, len(s.cfg.Upstreams))
	for _, server := range s.cfg.Upstreams {
		go func() {
			answer, err := ask(ctx, server, q, msg)
			if err != nil {
				answer = nil
			}
			answers <- answer
		}()
	}
	best := q.reply(dnsmessage.RCodeServerFailure)
	for range s.cfg.Upstreams {
		answer := <-answers
		if answer == nil {
			continue
		}
		if _, settles := q.answers(answer); settles {
			return answer
		}
		best = answer
	}
	return best
}

// askUDP sends the question again while nothing comes. A socket of its own has a
// port that nobody guesses (RFC 5452).
func askUDP(ctx context.Context, server string, q query, msg []byte) ([]byte, error) {
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buf := make([]byte, 4096)
	for {
		if _, err := conn.Write(msg); err != nil {
			return nil, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(resend)) // only fails when it is closed
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				break
			}
			if err != nil {
				return nil, err
			}
			if matches, _ := q.answers(buf[:n]); matches {
				return buf[:n], nil
			}
		}
	}
}

func askTCP(ctx context.Context, server string, q query, msg []byte) ([]byte, error) {
	conn, err := dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := writeTCP(conn, msg); err != nil {
		return nil, err
	}
	answer, err := readTCP(conn)
	if matches, _ := q.answers(answer); err == nil && !matches {
		return nil, net.ErrClosed
	}
	return answer, err
}

func dial(ctx context.Context, network, server string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, server)
}
