package resolve

import (
	"net/netip"
	"testing"

	"cove/internal/ids"
	"cove/internal/process"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/ipam"

	"golang.org/x/net/dns/dnsmessage"
)

// BenchmarkLocal is the answer to one question for a container on the same network, without
// the sockets.
func BenchmarkLocal(b *testing.B) {
	root := b.TempDir()
	defs := definition.Open(root)
	def, err := defs.Add(b.Context(), definition.Network{Name: "web", Subnet: netip.MustParsePrefix("10.9.0.0/16")},
		func(n *definition.Network, _ []definition.Network) error { return n.Complete() },
		func(definition.Network) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	me := ids.New()
	err = ipam.Update(defs.Dir(def.ID), func(p *ipam.Pool) error {
		p.Leases[me] = ipam.Lease{IP: netip.MustParseAddr("10.9.0.2"), Name: "me", Owner: process.Self()}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("me."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	question, err := msg.Pack()
	if err != nil {
		b.Fatal(err)
	}
	book := newBook(etc.Asker{Dir: root, ID: me})
	b.ReportAllocs()
	for b.Loop() {
		q, ok := parse(question)
		if !ok || q.local(book) == nil {
			b.Fatal("no answer")
		}
	}
}
