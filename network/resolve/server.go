package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"cove/network/etc"
)

// Server answers one container.
type Server struct {
	cfg  etc.Asker
	book *book
	udp  net.PacketConn
	tcp  net.Listener
	busy chan struct{} // holds one of each question that waits for an upstream
	work sync.WaitGroup
	ctx  context.Context //nolint:containedctx // of the questions that wait, which Close ends
	stop context.CancelFunc
}

// The bounds of what one container may have going on at once.
const (
	maxForwards = 256
	maxQuery    = 4096
	idleTCP     = 10 * time.Second
)

// Serve is a etc.Answer: it answers on two sockets until Close, which closes them.
func Serve(udp net.PacketConn, tcp net.Listener, cfg etc.Asker) io.Closer {
	s := &Server{cfg: cfg, book: newBook(cfg), udp: udp, tcp: tcp, busy: make(chan struct{}, maxForwards)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.work.Go(s.serveUDP)
	s.work.Go(s.serveTCP)
	return s
}

// Close ends the server.
func (s *Server) Close() error {
	s.stop()
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.work.Wait()
	return err
}

func (s *Server) serveUDP() {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier answer
		}
		q, ok := parse(buf[:n])
		if !ok {
			continue
		}
		send := func(msg []byte) { _, _ = s.udp.WriteTo(msg, from) } // who asked may be gone
		if msg := q.local(s.book); msg != nil {
			send(msg)
			continue
		}
		s.later(q, append([]byte(nil), buf[:n]...), send)
	}
}

// later forwards a question beside the others; one too many is refused at once, so
// that who asks may ask again.
func (s *Server) later(q query, msg []byte, send func([]byte)) {
	select {
	case s.busy <- struct{}{}:
	default:
		send(q.reply(dnsmessage.RCodeServerFailure))
		return
	}
	s.work.Go(func() {
		defer func() { <-s.busy }()
		send(s.forward(q, msg, askUDP))
	})
}

func (s *Server) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		select {
		case s.busy <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		s.work.Go(func() {
			defer func() { <-s.busy }()
			s.serveConn(conn)
		})
	}
}

// serveConn answers one question after the other (RFC 7766).
func (s *Server) serveConn(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	for {
		_ = conn.SetDeadline(time.Now().Add(idleTCP)) // only fails when it is closed
		msg, err := readTCP(conn)
		if err != nil {
			return
		}
		q, ok := parse(msg)
		if !ok {
			return
		}
		answer := q.local(s.book)
		if answer == nil {
			answer = s.forward(q, msg, askTCP)
		}
		if err := writeTCP(conn, answer); err != nil {
			return
		}
	}
}

func readTCP(conn net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, msg)
	return msg, err
}

func writeTCP(conn net.Conn, msg []byte) error {
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	return err
}
