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
		all := q.question.Type == dnsmessage.TypeALL
		switch {
		case a.Is4() && (all || q.question.Type == dnsmessage.TypeA):
			answers = append(answers, &dnsmessage.AResource{A: a.As4()})
		case a.Is6() && (all || q.question.Type == dnsmessage.TypeAAAA):
			answers = append(answers, &dnsmessage.AAAAResource{AAAA: a.As16()})
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

// reversed reads 4.3.2.1.in-addr.arpa., and 32 nibbles before ip6.arpa. (RFC 3596).
func reversed(name string) (netip.Addr, bool) {
	name = strings.ToLower(name)
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		a, ok := backwards(strings.Split(digits, "."), 4, 10)
		if !ok {
			return netip.Addr{}, false
		}
		return netip.AddrFrom4([4]byte(a)), true
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok {
		return netip.Addr{}, false
	}
	nibbles, ok := backwards(strings.Split(digits, "."), 32, 16)
	if !ok {
		return netip.Addr{}, false
	}
	var a [16]byte
	for i, n := range nibbles {
		if n > 0xf {
			return netip.Addr{}, false
		}
		a[i/2] = a[i/2]<<4 | n
	}
	return netip.AddrFrom16(a), true
}

// backwards reads numbers that follow each other from the last to the first.
func backwards(parts []string, count, base int) ([]byte, bool) {
	if len(parts) != count {
		return nil, false
	}
	all := make([]byte, count)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, base, 8)
		if err != nil {
			return nil, false
		}
		all[count-1-i] = byte(n)
	}
	return all, true
}
