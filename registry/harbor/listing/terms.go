package listing

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
)

// Op says how a term narrows a list.
type Op byte

// The patterns of Harbor's q=.
const (
	Is      Op = '=' // k=v
	Like    Op = '~' // k=~v
	Between Op = '[' // k=[min~max], either of which may be left out
	OneOf   Op = '{' // k={v1 v2}
	AllOf   Op = '(' // k=(v1 v2)
)

// Term is one condition of q=.
type Term struct {
	Name   string
	Op     Op
	Values []string // two of Between, one of Is and Like
}

// ParseTerms reads Harbor's q=, as `name=~web,size=[1~10],tag={"v1" 'v2'}`.
func ParseTerms(text string) (terms []Term, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		t := Term{Name: strings.ToLower(strings.TrimSpace(name)), Op: Is, Values: []string{strings.TrimSpace(value)}}
		if ok = ok && t.Name != ""; ok && value != "" {
			ok = t.read(t.Values[0])
		}
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				`query: q %q is no list as name=~web,public=true,size=[1~10],tag={v1 v2}`, text)
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// closed are the ends of what begins a list.
var closed = map[Op]string{Between: "]", OneOf: "}", AllOf: ")"}

func (t *Term) read(value string) bool {
	op := Op(value[0])
	switch op {
	case Like:
		t.Op, t.Values = op, []string{value[1:]}
		return true
	case Between, OneOf, AllOf:
	default:
		t.Values[0] = unquoted(value)
		return true
	}
	inner, ok := strings.CutSuffix(value[1:], closed[op])
	if !ok {
		return false
	}
	t.Op = op
	if op == Between {
		low, high, both := strings.Cut(inner, "~")
		t.Values = []string{unquoted(strings.TrimSpace(low)), unquoted(strings.TrimSpace(high))}
		return both && low+high != ""
	}
	t.Values, ok = words(inner)
	return ok && len(t.Values) > 0
}

func unquoted(text string) string {
	if n := len(text); n >= 2 && text[0] == text[n-1] && (text[0] == '"' || text[0] == '\'') {
		return text[1 : n-1]
	}
	return text
}

// words takes a list apart at its spaces, but for those within quotes.
func words(text string) (list []string, ok bool) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexByte(text, ' ')
		if quote := text[0]; quote == '"' || quote == '\'' {
			if end = strings.IndexByte(text[1:], quote); end < 0 {
				return nil, false
			}
			list, text = append(list, text[1:1+end]), text[end+2:]
			continue
		}
		if end < 0 {
			end = len(text)
		}
		list, text = append(list, text[:end]), text[end:]
	}
	return list, true
}

// kind is of what kind the values of a column are.
type kind byte

const (
	texts  kind = iota // text
	counts             // numbers
	flags              // 0 and 1
	times              // microseconds
)

// field is what lists are narrowed and sorted by.
type field struct {
	column string
	kind   kind
	// presence is of conditions that are no comparison: "*" that there is one, "nil" that
	// there is none. The column is then a part of EXISTS (SELECT 1 FROM …), which what is
	// compared is added to.
	presence, compared string
}

// invalidTerm is an error about a term.
func invalidTerm(t Term, why string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "query: q %s: %s", t.Name, why)
}

// value is a value as the column has it.
func (f field) value(t Term, text string) (any, error) {
	switch f.kind {
	case counts:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, invalidTerm(t, strconv.Quote(text)+" is no number")
		}
		return n, nil
	case flags:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, invalidTerm(t, strconv.Quote(text)+" is neither true nor false")
		}
		return flag(b), nil
	case times:
		if at, ok := Moment(text); ok {
			return at.UnixMicro(), nil
		}
		return nil, invalidTerm(t, strconv.Quote(text)+` is no time as "2020-04-09 02:36:00"`)
	}
	return text, nil
}

// Moment reads a time as q= has it: without a zone it is UTC.
func Moment(text string) (at time.Time, ok bool) {
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return at, false
}

// narrow adds the conditions of terms to a query.
func (q *query) narrow(terms []Term) error {
	for _, t := range terms {
		f, ok := q.fields[t.Name]
		if !ok {
			return errdefs.Errorf(errdefs.ErrUnsupported, "query: q does not know %q here, but %s", t.Name, q.known())
		}
		condition, err := f.condition(q, t)
		if err != nil {
			return err
		}
		q.from += " AND " + condition + " "
	}
	return nil
}

func (q *query) known() string {
	names := make([]string, 0, len(q.fields))
	for name := range q.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// arg adds an argument, and is its place.
func (q *query) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

func (f field) condition(q *query, t Term) (string, error) {
	if f.presence == "" {
		return f.compare(q, f.column, t)
	}
	switch {
	case t.Op == Is && t.Values[0] == "*":
		return "EXISTS (" + f.presence + ")", nil
	case t.Op == Is && t.Values[0] == "nil":
		return "NOT EXISTS (" + f.presence + ")", nil
	case t.Op != AllOf:
		some, err := f.compare(q, f.compared, t)
		return "EXISTS (" + f.presence + " AND " + some + ")", err
	}
	var all []string
	for _, v := range t.Values {
		one, err := f.compare(q, f.compared, Term{Name: t.Name, Op: Is, Values: []string{v}})
		if err != nil {
			return "", err
		}
		all = append(all, "EXISTS ("+f.presence+" AND "+one+")")
	}
	return strings.Join(all, " AND "), nil
}

func (f field) compare(q *query, column string, t Term) (string, error) {
	if t.Op == Like {
		if f.kind != texts {
			return "", invalidTerm(t, "only a text is like another")
		}
		return "LOWER(" + column + ") LIKE " + q.arg(pattern(t.Values[0], false)) + ` ESCAPE '\'`, nil
	}
	if t.Op == AllOf {
		return "", invalidTerm(t, "one value is not several; use {…} for any of them")
	}
	var places []string
	for i, text := range t.Values {
		if t.Op == Between && text == "" {
			continue
		}
		v, err := f.value(t, text)
		if err != nil {
			return "", err
		}
		sign := "="
		if t.Op == Between {
			sign = [2]string{">=", "<="}[i]
		}
		places = append(places, column+" "+sign+" "+q.arg(v))
	}
	if t.Op == Between {
		return strings.Join(places, " AND "), nil
	}
	return "(" + strings.Join(places, " OR ") + ")", nil
}

// sort puts the orders that are asked for, as -push_time, before the query's own.
func (q *query) sort(by []string) error {
	var orders []string
	for _, text := range by {
		name, down := strings.CutPrefix(text, "-")
		f, ok := q.fields[strings.ToLower(name)]
		if !ok || f.presence != "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "query: sort %q is none of %s, with a - to turn it", text,
				q.known())
		}
		order := f.column
		if down {
			order += " DESC"
		}
		orders = append(orders, order)
	}
	q.order = strings.Join(append(orders, q.order), ", ")
	return nil
}
