package browsertest

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdproto "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "take the pictures of the documents anew")

// screens has the pictures of the documents.
const screens = "../../../docs/screens"

// heaviest is how many bytes a picture of the documents may have.
const heaviest = 60_000

// shown are the pictures: of which page, how wide, in which colours, and what there must
// be to be seen on it.
var shown = []struct {
	name, page, theme, says string
	width, height           int64
}{
	{"start", "start", "light", "docker login", 1280, 800},
	{"artifact", "artifact", "light", "ca-certificates", 1280, 1000},
	{"usage", "usage", "light", "payments", 1280, 800},
	{"replication", "replication", "dark", "copies", 1280, 800},
	{"phone", "tags", "dark", "v1.4.2", 360, 740},
}

// TestScreensOfTheDocuments opens the pages that the documents have pictures of, takes the
// pictures anew if -update says so, and wants every picture to be named by a document,
// and every one that a document names to be there.
func TestScreensOfTheDocuments(t *testing.T) {
	s, pages := filled(t)
	b := open(t, s)
	b.signIn("admin")
	var names []string
	for _, one := range shown {
		b.screen(one.width, one.height, one.theme)
		b.visit(pages[one.page])
		b.says(one.says)
		file := one.name + ".webp"
		names = append(names, file)
		if *update {
			if err := os.WriteFile(filepath.Join(screens, file), b.picture(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(filepath.Join(screens, file))
		if err != nil || len(text) > heaviest || !bytes.HasPrefix(text, []byte("RIFF")) || !bytes.Equal(text[8:12], []byte("WEBP")) {
			t.Errorf("%s is no picture of %d bytes at most: %d bytes, %v", file, heaviest, len(text), err)
		}
	}
	documents := ""
	for _, name := range []string{"../../../README.md", "../../../docs/admin.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		documents += string(text)
	}
	var named []string
	for _, rest := range strings.Split(documents, "screens/")[1:] {
		file, _, _ := strings.Cut(rest, ")")
		named = append(named, file)
	}
	slices.Sort(names)
	slices.Sort(named)
	if !slices.Equal(slices.Compact(named), names) {
		t.Errorf("the documents name %q, and there are %q", named, names)
	}
}

// picture is what the screen shows of the page, packed for documents.
func (b browser) picture() []byte {
	b.Helper()
	quality := int64(60)
	var taken []byte
	b.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		r, err := cdproto.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{
			Format: page.CaptureScreenshotFormatWebp, Quality: &quality,
		})
		taken = r.Data
		return err
	}))
	return taken
}
