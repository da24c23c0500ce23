package plan

import (
	"strconv"
	"strings"

	"cove/errdefs"
)

// The bits of a mode, as chmod(1) and a tar header count them.
const (
	setuid = 0o4000
	setgid = 0o2000
	sticky = 0o1000
	perms  = 0o7777
)

// ModeChange is a parsed --chmod.
type ModeChange struct {
	clauses []clause // empty: absolute
	mode    uint32
}

// clause is one of the parts between commas of a symbolic mode.
type clause struct {
	who     uint32 // the bits that it may touch; everyone's when left out
	actions []action
}

type action struct {
	op   byte // + - =
	perm string
}

// ParseMode reads an octal ("0755") or symbolic ("u=rwX,go-w") mode.
func ParseMode(s string) (ModeChange, error) {
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		m, err := strconv.ParseUint(s, 8, 32)
		if err != nil || m > perms {
			return ModeChange{}, errdefs.Errorf(errdefs.ErrInvalid, "--chmod=%s: an octal mode is between 0 and 07777",
				s)
		}
		return ModeChange{mode: uint32(m)}, nil
	}
	var c ModeChange
	for part := range strings.SplitSeq(s, ",") {
		cl, ok := parseClause(part)
		if !ok {
			return ModeChange{}, errdefs.Errorf(errdefs.ErrInvalid,
				"--chmod=%s: %q is neither octal nor symbolic as in u=rwX,go-w", s, part)
		}
		c.clauses = append(c.clauses, cl)
	}
	return c, nil
}

func parseClause(s string) (clause, bool) {
	var cl clause
	i := 0
	for ; i < len(s); i++ {
		bits, ok := whoBits(s[i])
		if !ok {
			break
		}
		cl.who |= bits
	}
	if i == 0 {
		cl.who = perms
	}
	for i < len(s) {
		op := s[i]
		if op != '+' && op != '-' && op != '=' {
			return clause{}, false
		}
		j := i + 1
		for j < len(s) && strings.IndexByte("rwxXstugo", s[j]) >= 0 {
			j++
		}
		cl.actions = append(cl.actions, action{op: op, perm: s[i+1 : j]})
		i = j
	}
	return cl, len(cl.actions) > 0
}

func whoBits(b byte) (uint32, bool) {
	switch b {
	case 'u':
		return setuid | 0o700, true
	case 'g':
		return setgid | 0o070, true
	case 'o':
		return sticky | 0o007, true
	case 'a':
		return perms, true
	}
	return 0, false
}

// Absolute says that the mode is a number, the same for every entry.
func (c ModeChange) Absolute() bool { return len(c.clauses) == 0 }

// Apply returns the permission bits that an entry with these gets.
func (c ModeChange) Apply(mode uint32, dir bool) uint32 {
	if c.Absolute() {
		return c.mode
	}
	mode &= perms
	for _, cl := range c.clauses {
		for _, a := range cl.actions {
			bits := a.bits(mode, dir) & cl.who
			switch a.op {
			case '+':
				mode |= bits
			case '-':
				mode &^= bits
			case '=':
				mode = mode&^cl.who | bits
			}
		}
	}
	return mode
}

// bits returns what the letters mean for everyone; the clause masks them.
func (a action) bits(mode uint32, dir bool) uint32 {
	var bits uint32
	for _, p := range a.perm {
		switch p {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if dir || mode&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= setuid | setgid
		case 't':
			bits |= sticky
		case 'u':
			bits |= (mode >> 6 & 7) * 0o111
		case 'g':
			bits |= (mode >> 3 & 7) * 0o111
		case 'o':
			bits |= (mode & 7) * 0o111
		}
	}
	return bits
}
