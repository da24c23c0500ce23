package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestJobsAreShownStoppedAndRepeated goes through the pages of jobs.
func TestJobsAreShownStoppedAndRepeated(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	admin := s.As(t, "admin")
	path := s.Job(t)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(admin.Get(path, 200), ">Done<"); {
		if time.Now().After(deadline) {
			t.Fatalf("the job does not end: %s", admin.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if body := admin.Get("/jobs", 200); !strings.Contains(body, "Remove old lines of the audit log") ||
		!strings.Contains(body, "ada.lovelace") || !strings.Contains(body, "removed 0 lines") || !strings.Contains(body, "40 2 * * *") {
		t.Errorf("jobs: %s", body)
	}
	admin.Get(path, 200)
	admin.Post(path+"/stop", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "has ended (done)") {
		t.Errorf("a stop of what has ended: %s", body)
	}
	admin.Post(path+"/retry", url.Values{}, 303)
	if body := admin.Follow(200); admin.Last.Request.URL.Path == path || !strings.Contains(body, "begins again") {
		t.Errorf("again: %s", body)
	}
	admin.Get("/jobs/7", 404)
	admin.Get("/jobs/x", 404)
	admin.Get("/jobs?state=odd", 400)
	admin.Get("/jobs?after=x", 400)
}
