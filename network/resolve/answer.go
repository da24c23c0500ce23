package resolve

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// query is the first question of a message, which is all that anybody asks.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
}

func parse(msg []byte) (q query, ok bool) {
	var p dnsmessage.Parser
	var err error
	if q.header, err = p.Start(msg); err != nil || q.header.Response {
		return q, false
	}
	if q.question, err = p.Question(); err != nil {
		return q, false
	}
	return q, true
}

// local is the answer from the book; nil for what it does not have.
func (q query) local(b *book) []byte {
	if q.header.OpCode != 0 || q.question.Class != dnsmessage.ClassINET {
		return nil
	}
	name := q.question.Name.String()
	if q.question.Type == dnsmessage.TypePTR {
		addr, ok := reversed(name)
		if !ok {
			return nil
		}
		target, ok := b.name(addr)
		if !ok {
			return nil
		}
		to, err := dnsmessage.NewName(target)
		if err != nil {
			return nil
		}
		return q.reply(dnsmessage.RCodeSuccess, &dnsmessage.PTRResource{PTR: to})
	}
	addrs, known := b.addresses(name)
	if !known {
		return nil
	}
	var answers []dnsmessage.ResourceBody
	for _, a := range addrs {
		if q.question.Type == dnsmessage.TypeA || q.question.Type == dnsmessage.TypeALL {
			answers = append(answers, &dnsmessage.AResource{A: a.As4()})
		}
	}
	// With no answers this says that the name is there and has no such record
	// (RFC 2308, NODATA), so that nobody waits for an IPv6 address.
	return q.reply(dnsmessage.RCodeSuccess, answers...)
}

// reply builds an answer. Its records are true for now: who asks again is told
// when a container came or went.
func (q query) reply(code dnsmessage.RCode, answers ...dnsmessage.ResourceBody) []byte {
	msg := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.header.ID, Response: true, OpCode: q.header.OpCode, RCode: code,
			RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q.question},
	}
	for _, body := range answers {
		header := dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET}
		msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
	data, err := msg.Pack()
	if err != nil {
		return nil
	}
	return data
}

// answers reports whether a message answers the query, and whether it settles it:
// another server may know what this one could not say.
func (q query) answers(msg []byte) (matches, settles bool) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != q.header.ID {
		return false, false
	}
	asked, err := p.Question()
	if err != nil || asked.Type != q.question.Type || asked.Class != q.question.Class ||
		!strings.EqualFold(asked.Name.String(), q.question.Name.String()) {
		return false, false
	}
	return true, h.RCode == dnsmessage.RCodeSuccess || h.RCode == dnsmessage.RCodeNameError
}

// reversed reads 4.3.2.1.in-addr.arpa.
func reversed(name string) (netip.Addr, bool) {
	digits, ok := strings.CutSuffix(strings.ToLower(name), ".in-addr.arpa.")
	parts := strings.Split(digits, ".")
	if !ok || len(parts) != 4 {
		return netip.Addr{}, false
	}
	var a [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return netip.Addr{}, false
		}
		a[3-i] = byte(n)
	}
	return netip.AddrFrom4(a), true
}
