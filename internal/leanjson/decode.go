package leanjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// decoder reads what is left of a text. Its methods report whether they could;
// after a no the text is encoding/json's.
type decoder struct {
	rest  []byte
	depth int
}

// maxDepth bounds recursion; deeper values are nothing that is read here.
const maxDepth = 64

// next returns the first byte after white space, 0 at the end.
func (d *decoder) next() byte {
	for i, c := range d.rest {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			d.rest = d.rest[i:]
			return c
		}
	}
	d.rest = nil
	return 0
}

func (d *decoder) end() bool { return d.next() == 0 && len(d.rest) == 0 }

func (d *decoder) take(c byte) bool {
	if d.next() != c {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

func (d *decoder) word(w string) bool {
	rest, ok := bytes.CutPrefix(d.rest, []byte(w))
	d.rest = rest
	return ok
}

func (d *decoder) value(v reflect.Value) bool {
	if d.depth++; d.depth > maxDepth {
		return false
	}
	defer func() { d.depth-- }()
	c := d.next()
	if v.Kind() == reflect.Pointer && c != 'n' {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(v.Elem())
	}
	if p := v.Addr(); p.NumMethod() > 0 {
		switch u := p.Interface().(type) {
		case json.Unmarshaler:
			raw, ok := d.raw()
			return ok && u.UnmarshalJSON(raw) == nil
		case encoding.TextUnmarshaler:
			text, ok := d.text()
			return ok && u.UnmarshalText([]byte(text)) == nil
		}
	}
	switch c {
	case '{':
		return d.object(v)
	case '[':
		return d.array(v)
	case '"':
		text, ok := d.text()
		if ok = ok && v.Kind() == reflect.String; ok {
			v.SetString(text)
		}
		return ok
	case 't', 'f':
		yes := c == 't'
		if v.Kind() != reflect.Bool || !d.word(strconv.FormatBool(yes)) {
			return false
		}
		v.SetBool(yes)
		return true
	case 'n':
		switch v.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice:
			v.SetZero()
			return d.word("null")
		}
		return false
	}
	return d.number(v)
}

func (d *decoder) object(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		all := fields(v.Type())
		likely := 0 // who wrote the text has most likely the same order
		return all != nil && d.members(func(name string) bool {
			for n := range all {
				i := (likely + n) % len(all)
				if all[i].name == name {
					likely = i + 1
					return d.value(v.Field(all[i].index))
				}
			}
			for _, f := range all {
				if strings.EqualFold(f.name, name) {
					return false
				}
			}
			_, ok := d.raw()
			return ok
		})
	case reflect.Map:
		t := v.Type()
		if t.Key() != reflect.TypeFor[string]() {
			return false
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(t))
		}
		return d.members(func(name string) bool {
			element := reflect.New(t.Elem()).Elem()
			if !d.value(element) {
				return false
			}
			v.SetMapIndex(reflect.ValueOf(name), element)
			return true
		})
	}
	return false
}

// members calls read for each name, with the value before it.
func (d *decoder) members(read func(name string) bool) bool {
	if !d.take('{') {
		return false
	}
	if d.take('}') {
		return true
	}
	for {
		if d.next() != '"' {
			return false
		}
		name, ok := d.text()
		if !ok || !d.take(':') || !read(name) {
			return false
		}
		if !d.take(',') {
			return d.take('}')
		}
	}
}

func (d *decoder) array(v reflect.Value) bool {
	if v.Kind() != reflect.Slice || !v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 || !d.take('[') {
		return false
	}
	if d.take(']') {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return true
	}
	for n := 0; ; n++ {
		if n == v.Cap() {
			v.Grow(max(4, n))
		}
		v.SetLen(n + 1)
		if !d.value(v.Index(n)) {
			return false
		}
		if !d.take(',') {
			return d.take(']')
		}
	}
}

// text reads a string.
func (d *decoder) text() (string, bool) {
	if d.next() != '"' {
		return "", false
	}
	for i := 1; i < len(d.rest); i++ {
		switch c := d.rest[i]; {
		case c == '"':
			s := string(d.rest[1:i])
			d.rest = d.rest[i+1:]
			return s, true
		case c == '\\', c < 0x20, c >= 0x80:
			raw, ok := d.raw()
			var s string
			return s, ok && json.Unmarshal(raw, &s) == nil
		}
	}
	return "", false
}

// raw cuts off one value of any kind.
func (d *decoder) raw() ([]byte, bool) {
	d.next()
	end := valueEnd(d.rest)
	raw := bytes.TrimRight(d.rest[:end], " \t\r\n")
	d.rest = d.rest[end:]
	return raw, json.Valid(raw)
}

// valueEnd is where a valid value ends at the latest: behind its last bracket or
// quote, or before what cannot belong to it.
func valueEnd(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth < 0 {
				return i
			} else if depth == 0 {
				return i + 1
			}
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(text)
}

// number reads an integer.
func (d *decoder) number(v reflect.Value) bool {
	n := 0
	for n < len(d.rest) && (d.rest[n] == '-' || d.rest[n] >= '0' && d.rest[n] <= '9') {
		n++
	}
	digits := string(d.rest[:n])
	if n < len(d.rest) && (d.rest[n] == '.' || d.rest[n]|0x20 == 'e') ||
		strings.HasPrefix(strings.TrimPrefix(digits, "-"), "0") && digits != "0" {
		return false
	}
	d.rest = d.rest[n:]
	switch {
	case v.CanInt():
		i, err := strconv.ParseInt(digits, 10, v.Type().Bits())
		v.SetInt(i)
		return err == nil
	case v.CanUint():
		u, err := strconv.ParseUint(digits, 10, v.Type().Bits())
		v.SetUint(u)
		return err == nil
	}
	return false
}
