package remedy

import (
	"errors"
	"fmt"
	"testing"

	"cove/errdefs"
)

func TestEveryRemedyHasWords(t *testing.T) {
	t.Parallel()
	for _, r := range errdefs.Remedies() {
		if words[r] == "" {
			t.Errorf("the remedy %q has no words", r)
		}
	}
	if len(words) != len(errdefs.Remedies()) {
		t.Errorf("%d remedies have words, %d exist", len(words), len(errdefs.Remedies()))
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("pulling x: %w", errdefs.Suggest(errors.New("it speaks plain HTTP"), errdefs.PlainHTTP, "10.0.0.1:5000"))
	want := "pulling x: it speaks plain HTTP; if plain HTTP is meant, say --insecure-registry 10.0.0.1:5000"
	if got := Text(err); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Text(errors.New("plain")); got != "plain" {
		t.Errorf("%q", got)
	}
}
