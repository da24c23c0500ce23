package names

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// serve answers questions for "there", and says of all others that they are not.
func serve(t *testing.T) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		body := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(body)
			if err != nil {
				return
			}
			var msg dnsmessage.Message
			if err := msg.Unpack(body[:n]); err != nil {
				continue
			}
			msg.Response = true
			name := msg.Questions[0].Name
			if name.String() == "there." {
				msg.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}},
				}}
			} else {
				msg.RCode = dnsmessage.RCodeNameError
			}
			if out, err := msg.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from) // who does not get it says so
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestAsk(t *testing.T) {
	t.Parallel()
	server := serve(t)
	took, err := Ask(server, "there", Load{Clients: 4, Each: 50})
	if err != nil || took <= 0 || took > patience {
		t.Errorf("99 of 100 within %v, error %v", took, err)
	}
	if _, err := Ask(server, "elsewhere", Load{Clients: 1, Each: 1}); err == nil || !strings.Contains(err.Error(), "NameError") {
		t.Errorf("a name that there is not: %v", err)
	}
}
