package command

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"horse\n":         "horse",
		"horse\r\n":       "horse",
		"horse":           "horse",
		"two words\nmore": "two words",
		" spaces \n":      " spaces ", // they belong to it
		"":                "",
	} {
		if got, err := Secret(strings.NewReader(given)); err != nil || got != want {
			t.Errorf("%q: %q %v", given, got, err)
		}
	}
	broken := errors.New("the pipe broke")
	if _, err := Secret(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a pipe that broke: %v", err)
	}
}
