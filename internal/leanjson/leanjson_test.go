package leanjson_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/internal/leanjson"
	"cove/runner/record"
)

// sample has what the records have, and what is left to encoding/json.
type sample struct {
	Text     string            `json:"text,omitempty"`
	Untagged int               //nolint:tagliatelle // a name of Go's
	Hidden   string            `json:"-"`
	Small    int8              `json:"small,omitempty"`
	Big      uint64            `json:"big,omitempty"`
	Yes      *bool             `json:"yes,omitempty"`
	List     []string          `json:"list"`
	Inner    *sample           `json:"inner,omitempty"`
	Map      map[string]sample `json:"map,omitempty"`
	When     time.Time         `json:"when,omitzero"`
	WhenTo   *time.Time        `json:"whenTo,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Bytes    []byte            `json:"bytes,omitempty"`
	Float    float64           `json:"float,omitempty"`
	Any      any               `json:"any,omitempty"`
	Numbers  map[int]string    `json:"numbers,omitempty"`
}

// same checks that both packages read a text alike, or refuse it.
func same[T any](t *testing.T, text []byte) {
	t.Helper()
	var got, want T
	gotErr, wantErr := leanjson.Unmarshal(text, &got), json.Unmarshal(text, &want)
	if (gotErr == nil) != (wantErr == nil) || wantErr != nil && gotErr.Error() != wantErr.Error() {
		t.Errorf("%s: error %v, want %v", text, gotErr, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: -want +got:\n%s", text, cmp.Diff(want, got))
	}
	if wantErr != nil {
		return
	}
	out, err := leanjson.Marshal(got)
	plain, plainErr := json.Marshal(want)
	if string(out) != string(plain) || (err == nil) != (plainErr == nil) {
		t.Errorf("written: %s, %v; want %s, %v", out, err, plain, plainErr)
	}
}

var texts = []string{
	`{}`, ` { "text" : "a" } `, `{"text":"a","text":"b"}`, `{"TEXT":"a"}`, `{"text":null,"list":null}`, `{"text":"ü\n\u00e9<>&"}`,
	`{"Untagged":-7,"Hidden":"x","unknown":{"a":[1,"}",{"b":"\""}]},"small":127}`, `{"small":128}`, `{"small":1.0}`, `{"small":1e1}`,
	`{"small":-0}`, `{"small":01}`, `{"small":-}`, `{"small":"1"}`, `{"big":18446744073709551615}`, `{"big":-1}`,
	`{"yes":true,"inner":{"yes":false,"inner":null}}`, `{"yes":tru}`, `{"list":[]}`, `{"list":["a","b" , "c","d","e"]}`, `{"list":["a",]}`,
	`{"list":["a"],"list":["b"]}`, `{"list":[null]}`, `{"list":{"a":1}}`, `{"map":{"a":{"text":"x"},"b":{},"<":{}}}`, `{"map":{"a":1}}`,
	`{"when":"2026-01-02T03:04:05Z","whenTo":"2026-01-02T03:04:05Z"}`, `{"when":"never"}`, `{"when":null,"whenTo":null}`,
	`{"raw":{"x": [1, 2]},"bytes":"AAEC","float":1.5,"any":{"x":1},"numbers":{"1":"a"}}`, `{"raw":null}`, `{"raw":{]}}`,
	``, `null`, `{`, `{"text"}`, `{"text":"a"`, `{"text":"a"}}`, `{"text":"a",}`, `[]`, `"x`, "{\"text\":\"\x01\"}", "{\"text\":\"\xff\"}",
}

func TestLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		same[sample](t, []byte(text))
		same[*sample](t, []byte(text))
		same[[]sample](t, []byte("["+text+"]"))
	}
}

// TestSpec fills every field that a spec and a record have: one that a later
// version of the specification adds in a form of its own is not lost.
func TestSpec(t *testing.T) {
	t.Parallel()
	for _, v := range []any{&specs.Spec{}, &record.Config{}, &record.State{}} {
		fill(reflect.ValueOf(v).Elem())
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := leanjson.Marshal(v)
		if err != nil || string(got) != string(want) {
			t.Errorf("%T: %v\n%s", v, err, cmp.Diff(string(want), string(got)))
		}
		switch v.(type) {
		case *specs.Spec:
			same[specs.Spec](t, want)
		case *record.Config:
			same[record.Config](t, want)
		case *record.State:
			same[record.State](t, want)
		}
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
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"x":1}`))
			return
		}
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

func TestInto(t *testing.T) {
	t.Parallel()
	have := sample{Text: "kept", List: []string{"a"}}
	if err := leanjson.Unmarshal([]byte(`{"small":1}`), &have); err != nil || have.Text != "kept" || have.Small != 1 {
		t.Errorf("%+v, %v", have, err)
	}
	if err := leanjson.Unmarshal([]byte(`{}`), nil); err == nil {
		t.Error("read into nil")
	}
	if got, err := leanjson.Marshal(nil); err != nil || string(got) != "null" {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		same[sample](t, text)
		same[specs.Spec](t, text)
	})
}
