// Package names asks a server of DNS, and says how long it lets one wait.
package names

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long an answer may take before it counts as lost.
const patience = 2 * time.Second

// Load is how much is asked at once, and in all.
type Load struct{ Clients, Each int }

// Ask asks a server (host:port, over UDP) for the addresses of a name: clients that each have
// a socket of their own, and ask anew when they have an answer. It returns the time within
// which 99 of 100 answers came. One that does not come, or that has no address, is an error.
func Ask(server, name string, load Load) (p99 time.Duration, err error) {
	var (
		mu    sync.Mutex
		took  []time.Duration
		wrong error
		wg    sync.WaitGroup
	)
	for client := range load.Clients {
		wg.Go(func() {
			mine, err := askInTurn(server, name, client*load.Each, load.Each)
			mu.Lock()
			defer mu.Unlock()
			took, wrong = append(took, mine...), errors.Join(wrong, err)
		})
	}
	wg.Wait()
	if wrong != nil {
		return 0, wrong
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

// askInTurn is what one client does, whose questions are numbered from first on.
func askInTurn(server, name string, first, times int) (took []time.Duration, err error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer := make([]byte, 1500)
	for n := range times {
		id := uint16(first + n)
		question, err := pack(id, name)
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		if err := conn.SetDeadline(begun.Add(patience)); err != nil {
			return nil, err
		}
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		size, err := conn.Read(answer)
		if err != nil {
			return nil, fmt.Errorf("question %d for %s: %w", n, name, err)
		}
		took = append(took, time.Since(begun))
		if err := check(answer[:size], id); err != nil {
			return nil, fmt.Errorf("question %d for %s: %w", n, name, err)
		}
	}
	return took, nil
}

func pack(id uint16, name string) ([]byte, error) {
	to, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, err
	}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: to, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	return msg.Pack()
}

// check is fine with the answer of that number, if it has an address.
func check(answer []byte, id uint16) error {
	var msg dnsmessage.Message
	switch err := msg.Unpack(answer); {
	case err != nil:
		return err
	case msg.ID != id:
		return fmt.Errorf("the answer is to %d, not %d", msg.ID, id)
	case msg.RCode != dnsmessage.RCodeSuccess || len(msg.Answers) == 0:
		return fmt.Errorf("%s with %d addresses", msg.RCode, len(msg.Answers))
	}
	return nil
}
