package payload_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/webhook/payload"
)

var update = flag.Bool("update", false, "write the golden files")

// pushed is the event of Harbor's own example.
func pushed() payload.Event {
	return payload.Event{
		ID: "66e18103-09c1-41f6-982f-37df223f3eeb", Request: "51c0b694-0168-4f3c-b0db-282565455d7b",
		Type: payload.PushArtifact, At: time.Date(2023, 4, 3, 6, 4, 46, 789, time.UTC), Operator: "ada", Project: 2,
		Data: payload.Data{
			Resources: []payload.Resource{
				{Digest: "sha256:954b378c", Tag: "v1"}, {Digest: "sha256:954b378c", Tag: "sha256:954b378c"},
			},
			Repository: &payload.Repository{
				Created: 1680501893, Name: "shop/api", Namespace: "team", FullName: "team/shop/api", Type: "private",
			},
		},
	}
}

// TestFormats compares each format of events with what a receiver is used to.
func TestFormats(t *testing.T) {
	t.Parallel()
	full := payload.Event{
		Type: payload.QuotaExceed, At: time.Unix(1680501893, 0), Operator: "<b>&_*[x](y)",
		Data: payload.Data{
			Repository: &payload.Repository{Name: "api", Namespace: "team", FullName: "team/api", Type: "public"},
			Custom:     map[string]string{payload.Details: "1 GiB of 1 GiB are used"},
		},
	}
	kept := payload.Event{
		Type: payload.TagRetention, At: time.Unix(1680501893, 0), Operator: "schedule",
		Data: payload.Data{Retention: &payload.Retention{
			Total: 3, Retained: 2, Project: "team", Policy: 7, Status: "SUCCESS",
			Deleted: []*payload.Artifact{{Type: "image", Status: "Success", NameAndTag: "api:v1"}},
		}},
	}
	copied := payload.Event{
		Type: payload.Replicated, At: time.Unix(1680501893, 0), Operator: "ada",
		Data: payload.Data{Replication: &payload.Replication{
			Status: "Success", Artifact: "image", Trigger: "MANUAL", Creator: "ada", StartedAt: 1680501893,
			Source:    &payload.End{Type: "registry", Endpoint: "https://a.example.com", Namespace: "team"},
			Target:    &payload.End{Type: "registry", Endpoint: "https://b.example.com", Namespace: "copy"},
			Succeeded: []*payload.Artifact{{Type: "image", Status: "Success", NameAndTag: "api:v1"}},
		}},
	}
	for name, e := range map[string]payload.Event{"push": pushed(), "quota": full, "retention": kept, "replication": copied} {
		for _, f := range payload.Formats() {
			contentType, body, err := payload.Body(f, e, payload.Place{Host: "registry.example.com", Webhook: 15})
			if err != nil || !json.Valid(body) {
				t.Fatalf("%s: %v %s", f, err, body)
			}
			golden(t, name+"-"+string(f)+".golden", contentType+"\n"+string(body)+"\n")
		}
	}
	if e := pushed(); e.Data.Resources[0].ResourceURL != "" {
		t.Error("the event itself was changed")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if got, err := payload.ParseType("push_artifact"); err != nil || got != payload.PushArtifact {
		t.Errorf("%s %v", got, err)
	}
	if _, err := payload.ParseType("PUSH"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
	if got, err := payload.ParseFormat(""); err != nil || got != payload.Default {
		t.Errorf("%s %v", got, err)
	}
	if _, err := payload.ParseFormat("xml"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
}

// TestManyResourcesAreCounted keeps messages for chats short.
func TestManyResourcesAreCounted(t *testing.T) {
	t.Parallel()
	e := pushed()
	e.Data.Resources = nil
	for i := range 9 {
		e.Data.Resources = append(e.Data.Resources, payload.Resource{Digest: "sha256:ab", Tag: fmt.Sprintf("v%d", i)})
	}
	_, body, err := payload.Body(payload.Slack, e, payload.Place{Host: "r"})
	const want = `{"text":"r/team/shop/api:v0, r/team/shop/api:v1, r/team/shop/api:v2, r/team/shop/api:v3, r/team/shop/api:v4, and 4 more was pushed by ada","mrkdwn":false}`
	if err != nil || string(body) != want {
		t.Errorf("%v %s, want %s", err, body, want)
	}
	if _, body, err := payload.Body(payload.Default, e, payload.Place{Host: "r"}); err != nil || strings.Count(string(body), "resource_url") != 9 {
		t.Errorf("%v %s", err, body)
	}
}

// TestTextsOfStrangersAreText: names that a provider or a pusher chose begin no link, mention,
// emphasis or function in a chat.
func TestTextsOfStrangersAreText(t *testing.T) {
	t.Parallel()
	e := pushed()
	e.Operator = "<!channel> <https://evil.example|ann>\n[x](https://evil.example) \\[y](https://evil.example) *b* _i_ `c` {{DATE(2026-01-01T00:00:00Z)}} &lt;"
	_, slack, err := payload.Body(payload.Slack, e, payload.Place{Host: "r"})
	if err != nil {
		t.Fatal(err)
	}
	var message struct {
		Text   string
		Mrkdwn *bool
	}
	if err := json.Unmarshal(slack, &message); err != nil || message.Mrkdwn == nil || *message.Mrkdwn ||
		strings.ContainsAny(message.Text, "<>\n") || !strings.Contains(message.Text, "&lt;!channel&gt;") || !strings.Contains(message.Text, "&amp;lt;") {
		t.Errorf("Slack is sent %s, %v", slack, err)
	}
	_, teams, err := payload.Body(payload.Teams, e, payload.Place{Host: "r"})
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		Attachments []struct {
			Content struct{ Body []struct{ Text string } }
		}
	}
	if err := json.Unmarshal(teams, &card); err != nil {
		t.Fatal(err)
	}
	text := card.Attachments[0].Content.Body[0].Text
	// Every character that means something has an escape before it that is none itself.
	for i, r := range text {
		if strings.ContainsRune("[]*_`", r) {
			slashes := 0
			for j := i; j > 0 && text[j-1] == '\\'; j-- {
				slashes++
			}
			if slashes%2 == 0 {
				t.Errorf("%q is not escaped at %d of %s", r, i, text)
			}
		}
	}
	if strings.Contains(text, "{{") || strings.Contains(text, "\n") {
		t.Errorf("Teams is sent %s", text)
	}
}
