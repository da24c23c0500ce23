package strictyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/strictyaml"
)

type colour string

func (c *colour) UnmarshalText(b []byte) error {
	if string(b) != "red" && string(b) != "green" {
		return fmt.Errorf("%q is no colour", b)
	}
	*c = colour(b)
	return nil
}

type door struct {
	Paint colour   `yaml:"paint"`
	Keys  []string `yaml:"keys"`
	Open  bool     `yaml:"open"`
}

type house struct {
	Front door            `yaml:"front"`
	Rooms map[colour]door `yaml:"rooms"`
	Floor int             `yaml:"floor"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var h house
	in := "front: {paint: red, keys: [a, b], open: true}\nrooms:\n  green:\n    paint: green\nfloor: 2\n"
	if err := strictyaml.Decode("f", []byte(in), &h); err != nil {
		t.Fatal(err)
	}
	if h.Front.Paint != "red" || len(h.Front.Keys) != 2 || !h.Front.Open || h.Rooms["green"].Paint != "green" || h.Floor != 2 {
		t.Errorf("%+v", h)
	}
	if err := strictyaml.Decode("f", []byte("# nothing\n"), &h); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"floor: 1\nfrnt: {}":               "f:2: there is no key frnt; did you mean front?",
		"front:\n  pant: red":              "f:2: there is no key front.pant; did you mean front.paint?",
		"front:\n  floor: 1":               "f:2: there is no key front.floor; did you mean floor, which stands at the left margin?",
		"keys: []":                         "f:1: there is no key keys; did you mean front.keys?",
		"front:\n  paint: blue":            `f:2: front.paint: "blue" is no colour`,
		"front:\n  paint: [red]":           "f:2: front.paint: it is one value, not several",
		"front: open":                      "f:1: front: it holds keys: paint, keys, open",
		"front:\n  keys: a":                "f:2: front.keys: it is a list; write [a]",
		"front:\n  open: perhaps":          `f:2: front.open: "perhaps" is neither true nor false`,
		"floor: [1]":                       "f:1: floor: it is one value, not several",
		"rooms:\n  blue: {}":               `f:2: rooms.blue: "blue" is no colour`,
		"rooms:\n  red:\n    paint: black": `f:3: rooms.red.paint: "black" is no colour`,
		"rooms: [red]":                     "f:1: rooms: it holds names, each with values below it",
		"front: {":                         "f: ",
		"floor: 1\nfloor: 2":               "f: ",
	} {
		err := strictyaml.Decode("f", []byte(in), new(house))
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0s": 0} {
		var c struct {
			D strictyaml.Duration `yaml:"d"`
		}
		err := strictyaml.Decode("test.yaml", []byte("d: "+text), &c)
		if got := c.D.Or(0); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if got := strictyaml.Duration(0).Or(time.Minute); got != time.Minute {
		t.Errorf("the standard one: %v", got)
	}
	for _, text := range []string{"90", "-1s", "soon"} {
		var c struct {
			D strictyaml.Duration `yaml:"d"`
		}
		if err := strictyaml.Decode("test.yaml", []byte("d: "+text), &c); err == nil {
			t.Errorf("%s: taken as %v", text, c.D.Or(0))
		}
	}
}
