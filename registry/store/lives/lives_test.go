package lives_test

import (
	"testing"
	"time"

	"cove/registry/store/lives"
)

func TestUsualTimesAndOthers(t *testing.T) {
	t.Parallel()
	c := lives.New(lives.Lives{Grace: time.Minute})
	if c.Lease() != 2*time.Hour || c.Grace() != time.Minute || c.Uploads() != 24*time.Hour {
		t.Errorf("at first: %v, %v, %v", c.Lease(), c.Grace(), c.Uploads())
	}
	c.Set(lives.Lives{Lease: time.Second, Uploads: time.Hour})
	if c.Lease() != time.Second || c.Grace() != time.Hour || c.Uploads() != time.Hour {
		t.Errorf("then: %v, %v, %v", c.Lease(), c.Grace(), c.Uploads())
	}
}
