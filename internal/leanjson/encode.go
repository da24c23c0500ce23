package leanjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
)

// encoder appends to out. Its methods report whether they could.
type encoder struct {
	out   []byte
	depth int
}

// other leaves one value to encoding/json.
func (e *encoder) other(v any) bool {
	text, err := json.Marshal(v)
	e.out = append(e.out, text...)
	return err == nil
}

// odd reports that a value writes itself.
func odd(v reflect.Value) bool {
	if v.CanAddr() {
		v = v.Addr()
	}
	if v.NumMethod() == 0 {
		return false
	}
	switch v.Interface().(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return true
	}
	return false
}

func (e *encoder) value(v reflect.Value) bool {
	if e.depth++; e.depth > maxDepth {
		return false
	}
	defer func() { e.depth-- }()
	kind := v.Kind()
	switch kind {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return e.add("null")
		}
	}
	if odd(v) {
		if v.CanAddr() {
			v = v.Addr()
		}
		return e.other(v.Interface())
	}
	switch {
	case kind == reflect.Pointer, kind == reflect.Interface:
		return e.value(v.Elem())
	case kind == reflect.Struct:
		return e.structure(v)
	case kind == reflect.Map:
		return e.object(v)
	case kind == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return e.array(v)
	case kind == reflect.String:
		return e.text(v.String())
	case kind == reflect.Bool:
		return e.add(strconv.FormatBool(v.Bool()))
	case v.CanInt():
		return e.add(strconv.FormatInt(v.Int(), 10))
	case v.CanUint():
		return e.add(strconv.FormatUint(v.Uint(), 10))
	}
	return e.other(v.Interface())
}

func (e *encoder) add(text string) bool {
	e.out = append(e.out, text...)
	return true
}

// separate puts a comma between members; first is where they begin.
func (e *encoder) separate(first int) {
	if len(e.out) > first {
		e.out = append(e.out, ',')
	}
}

func (e *encoder) structure(v reflect.Value) bool {
	all := fields(v.Type())
	if all == nil {
		return false
	}
	e.out = append(e.out, '{')
	first := len(e.out)
	for _, f := range all {
		member := v.Field(f.index)
		if f.omitempty && empty(member) || f.omitzero && zero(member) {
			continue
		}
		e.separate(first)
		if !e.text(f.name) {
			return false
		}
		e.out = append(e.out, ':')
		if !e.value(member) {
			return false
		}
	}
	return e.add("}")
}

// empty is what "omitempty" leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// zero is what "omitzero" leaves out.
func zero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}

func (e *encoder) object(v reflect.Value) bool {
	if v.Type().Key() != reflect.TypeFor[string]() {
		return e.other(v.Interface())
	}
	names := make([]string, 0, v.Len())
	for _, key := range v.MapKeys() {
		names = append(names, key.String())
	}
	slices.Sort(names)
	e.out = append(e.out, '{')
	first := len(e.out)
	for _, name := range names {
		e.separate(first)
		if !e.text(name) {
			return false
		}
		e.out = append(e.out, ':')
		if !e.value(v.MapIndex(reflect.ValueOf(name))) {
			return false
		}
	}
	return e.add("}")
}

func (e *encoder) array(v reflect.Value) bool {
	e.out = append(e.out, '[')
	first := len(e.out)
	for i := range v.Len() {
		e.separate(first)
		if !e.value(v.Index(i)) {
			return false
		}
	}
	return e.add("]")
}

func (e *encoder) text(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return e.other(s)
		}
	}
	e.out = append(append(append(e.out, '"'), s...), '"')
	return true
}
