package record

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/defaults"
)

func TestSpecRoundTrip(t *testing.T) {
	t.Parallel()
	want := defaults.Spec()
	want.Hostname, want.Domainname, want.Annotations = "h", "d", map[string]string{"a": "b"}
	want.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/x"}}}
	data, err := EncodeSpec(want)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := json.Marshal(want); err != nil || string(plain) != string(data) {
		t.Errorf("not what encoding/json writes: %s", cmp.Diff(string(plain), string(data)))
	}
	got, err := DecodeSpec(data)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	cfg := Config{ID: "x", Spec: want}
	data, err = json.Marshal(cfg)
	var back Config
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || !reflect.DeepEqual(cfg, back) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestSpecComplete fills every field that a Linux spec has and finds it back:
// one that a later version of the specification adds is not lost unnoticed.
func TestSpecComplete(t *testing.T) {
	t.Parallel()
	want := &specs.Spec{}
	fill(reflect.ValueOf(want).Elem())
	want.Solaris, want.Windows, want.VM, want.ZOS, want.FreeBSD = nil, nil, nil, nil, nil
	data, err := EncodeSpec(want)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := json.Marshal(want); err != nil || string(plain) != string(data) {
		t.Errorf("not what encoding/json writes: %s", cmp.Diff(string(plain), string(data)))
	}
	got, err := DecodeSpec(data)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// fill gives every field a value that is not its zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Interface:
		v.Set(reflect.ValueOf("x"))
	}
}
