package browsertest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestWebhookByKeyboard makes a webhook without a mouse, sends a test, and sees by
// itself that it was delivered.
func TestWebhookByKeyboard(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(receiver.Close)
	s := webtest.Start(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}})
	s.Project(t, "payments", false, nil)
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("admin")
	b.visit("/projects/payments")
	b.tabTo(`a[href="/projects/payments/webhooks"]`)
	b.keys(kb.Enter)
	b.says("Nobody is told of what happens here.")
	b.tabTo(`form.stack input[name=name]`)
	b.keys("deploy" + kb.Tab)
	b.keys("C") // CloudEvents, in the list of formats
	b.keys(kb.Tab + receiver.URL)
	b.tabTo(`input[value="PULL_ARTIFACT"]`)
	b.keys(" ")
	b.tabTo(`input[name=secret]`)
	b.keys("correct horse" + kb.Enter)
	b.says("The webhook is created.")
	if !eval[bool](b, `document.querySelector('input[value="PULL_ARTIFACT"]').checked`) ||
		eval[string](b, `document.querySelector("select[name=format]").value`) != "cloudevents" ||
		eval[string](b, `document.querySelector("input[name=secret]").value`) != "" {
		t.Error("the form is opened again with something else")
	}
	b.visit(eval[string](b, "location.pathname"))
	b.tabTo(`form[action$="/test"] button`)
	b.keys(kb.Enter)
	b.says("A test is on its way.")
	b.says("answered 202") // the page asks by itself
	b.shoot("webhook-delivered")
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}
