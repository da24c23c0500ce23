package limit_test

import (
	"errors"
	"testing"

	"cove/internal/limit"
)

func TestAtOnce(t *testing.T) {
	t.Parallel()
	one, two := make(chan struct{}), make(chan struct{})
	wrong, other := errors.New("wrong"), errors.New("other")
	err := limit.AtOnce( // each needs the other one to run
		func() error { close(one); <-two; return wrong },
		func() error { close(two); <-one; return other },
		func() error { return nil },
	)
	if !errors.Is(err, wrong) || !errors.Is(err, other) {
		t.Error(err)
	}
	if err := limit.AtOnce(); err != nil {
		t.Error(err)
	}
	ended := false
	defer func() {
		if p := recover(); p != "stop" || !ended {
			t.Errorf("%v went on, when the other call had ended: %t", p, ended)
		}
	}()
	_ = limit.AtOnce(func() error { panic("stop") }, func() error { ended = true; return nil })
	t.Error("a panic is swallowed")
}
