package auth

import "strings"

// Challenge is one challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).
type Challenge struct {
	Scheme string // as written; compare with strings.EqualFold
	Params []Param
}

// Param is one parameter of a challenge. Names compare case-insensitively.
type Param struct{ Name, Value string }

// String is the challenge as a header value; all values are quoted.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(c.Scheme)
	for i, p := range c.Params {
		if i > 0 {
			b.WriteByte(',')
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(p.Name)
		b.WriteString(`="`)
		for j := range len(p.Value) {
			switch ch := p.Value[j]; {
			case ch == '"' || ch == '\\':
				b.WriteByte('\\')
				b.WriteByte(ch)
			case ch >= ' ' && ch != 0x7f: // a control character would end the header
				b.WriteByte(ch)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

// ParseChallenges reads the values of all WWW-Authenticate headers of an
// answer. What it does not understand it leaves out: a registry that also
// offers a scheme we do not speak is still usable.
func ParseChallenges(values []string) []Challenge {
	var out []Challenge
	for _, v := range values {
		p := parser{v}
		out = append(out, p.challenges()...)
	}
	return out
}

type parser struct{ rest string }

// challenges reads "scheme param=value, param=value, scheme …". A comma
// separates both parameters and challenges: a token followed by "=" is a
// parameter, any other begins the next challenge.
func (p *parser) challenges() []Challenge {
	var out []Challenge
	for {
		p.skip(" \t,")
		word := p.token()
		if word == "" {
			return out
		}
		before := p.rest
		p.skip(" \t")
		if !strings.HasPrefix(p.rest, "=") {
			p.rest = before
			out = append(out, Challenge{Scheme: word})
			continue
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, ok := p.value()
		if !ok {
			return out
		}
		if n := len(out); n > 0 {
			out[n-1].Params = append(out[n-1].Params, Param{word, value})
		}
	}
}

func (p *parser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// token reads an RFC 9110 token; "" when none begins here.
func (p *parser) token() string {
	i := 0
	for i < len(p.rest) && isToken(p.rest[i]) {
		i++
	}
	t := p.rest[:i]
	p.rest = p.rest[i:]
	return t
}

// value reads a token, or a quoted string with its escapes undone. Unquoted
// values are read up to the next comma or space, since some registries do not
// quote their realm.
func (p *parser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		i := strings.IndexAny(p.rest, ", \t\"")
		if i < 0 {
			i = len(p.rest)
		}
		v := p.rest[:i]
		p.rest = p.rest[i:]
		return v, true
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i < len(p.rest) {
				b.WriteByte(p.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
