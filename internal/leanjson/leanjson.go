// Package leanjson reads and writes JSON as encoding/json does, for commands
// that do it once.
//
// Before it reads one byte, encoding/json builds coders, and encoders too, for
// every type that a struct can reach. A long-lived server pays that once; a
// command that starts one container pays more for it than for all other work
// of its own. Here values are walked with reflection as they come, and types
// that no value has are never looked at.
//
// What is unusual (interfaces, floats, embedded structs, odd strings, anything
// that is an error) is left to encoding/json, so the meaning is the same and
// errors read the same: this package only ever answers yes.
package leanjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// Unmarshal is json.Unmarshal.
func Unmarshal(data []byte, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() == reflect.Pointer && !target.IsNil() && target.Elem().IsZero() {
		d := decoder{rest: data}
		value := reflect.New(target.Type().Elem()).Elem()
		if d.value(value) && d.end() {
			target.Elem().Set(value)
			return nil
		}
	}
	return json.Unmarshal(data, into)
}

// Marshal is json.Marshal.
func Marshal(v any) ([]byte, error) {
	e := encoder{out: make([]byte, 0, 4096)}
	if v != nil && e.value(reflect.ValueOf(v)) {
		return e.out, nil
	}
	return json.Marshal(v)
}

// field is one of a struct's in JSON.
type field struct {
	name                string
	index               int
	omitempty, omitzero bool
}

// known remembers the fields of structs: lists read thousands of the same few.
var known sync.Map // of reflect.Type to []field

// fields are those of a struct; nil is one that is not dealt with here.
func fields(t reflect.Type) []field {
	if have, ok := known.Load(t); ok {
		return have.([]field)
	}
	list := fieldsOf(t)
	known.Store(t, list)
	return list
}

func fieldsOf(t reflect.Type) []field {
	list := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if sf.Anonymous {
			return nil
		}
		if !sf.IsExported() || name == "-" {
			continue
		}
		f := field{name: name, index: i}
		if name == "" {
			f.name = sf.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				f.omitempty = true
			case "omitzero":
				f.omitzero = true
			case "string":
				return nil
			}
		}
		list = append(list, f)
	}
	return list
}
