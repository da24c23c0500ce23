package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdproto "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"cove/registry/web/webtest"
)

// browser is one Chromium for a test, with what went wrong in it.
type browser struct {
	*testing.T
	ctx    context.Context
	site   *webtest.Site
	faults *faults
}

// faults are what a page must not do; events come on another goroutine.
type faults struct {
	mu    sync.Mutex
	list  []string
	local string // the prefix of every URL that may be asked for
}

func (f *faults) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

func (f *faults) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// see notes exceptions, errors, what the policy of the page refused, and requests
// to other hosts.
func (f *faults) see(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		f.add("exception: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // a 404 is the page of an error
			f.add("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		if !strings.HasPrefix(u, f.local) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "chrome") {
			f.add("a request to another host: %s", u)
		}
	}
}

const patience = 3 * time.Minute // of one step, on a machine that is busy, or stops for a while

// open starts Chromium, or skips the test on a machine without.
func open(t *testing.T, s *webtest.Site) browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Chromium: install Debian's package chromium")
	}
	if _, err := os.Stat("../view/dist/sums.json"); err != nil {
		t.Skip("needs htmx: run make web")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(time.Minute))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	b := browser{T: t, site: s, faults: &faults{local: s.URL}}
	var end context.CancelFunc
	b.ctx, end = chromedp.NewContext(alloc, chromedp.WithListener(b.faults.see))
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx)
		end()
		stop()
	})
	// the first call gets no timeout: it would end the browser
	if err := chromedp.Do(b.ctx, command(network.Enable, network.EnableParams{}), command(log.Enable, cdproto.Empty{})); err != nil {
		t.Fatal(err)
	}
	return b
}

// command is a command of the protocol as a step.
func command[P, R any](c cdproto.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdproto.Call(ctx, target, c, params)
		return err
	})
}

// run does steps and fails the test if one fails.
func (b browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// value does a step that has a value.
func value[T any](b browser, step chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// visit opens a page and waits until its scripts are at rest.
func (b browser) visit(path string) {
	b.Helper()
	b.run(chromedp.Navigate(b.site.URL+path), chromedp.WaitReady("#said"))
}

// signIn signs in by the form.
func (b browser) signIn(name string) {
	b.Helper()
	b.visit("/sign-in")
	b.run(chromedp.SendKeys(`input[name=name]`, name), chromedp.SendKeys(`input[name=password]`, webtest.Password+"\n"),
		chromedp.WaitVisible(`a[href="/account"]`))
	b.until(`document.readyState === "complete" && document.body !== null`)
}

// screen sets width, height and colours.
func (b browser) screen(width, height int64, theme string) {
	b.Helper()
	b.run(chromedp.EmulateViewport(width, height), command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	}))
}

// eval is the value of an expression in the page.
func eval[T any](b browser, expression string) T {
	b.Helper()
	return value(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// axePath is where `make web` puts axe-core.
const axePath = "../../../.cache/npm/node_modules/axe-core/axe.min.js"

// axe lists what axe-core finds wrong on the page: no rule is left out.
func (b browser) axe(source string) []string {
	b.Helper()
	found := eval[string](b, source+`; axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(
		r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 160) + " [" + n.any.map(a => a.message).join("; ").slice(0, 200) + "]").join(" | "))))`)
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.Fatal(err)
	}
	return violations
}

func readAxe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(axePath)
	if err != nil {
		t.Skipf("needs axe-core: run make web (%v)", err)
	}
	return string(source)
}

// shoot keeps a picture of the page where COVE_SCREENSHOTS says, if it says so.
func (b browser) shoot(name string) {
	b.Helper()
	dir := os.Getenv("COVE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture := value(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.Fatal(err)
	}
}

// text is what a reader sees of the page.
func (b browser) text() string {
	b.Helper()
	return eval[string](b, "document.body.innerText")
}
