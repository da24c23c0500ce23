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
