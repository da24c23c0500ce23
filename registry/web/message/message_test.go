package message

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	blank = regexp.MustCompile(`\{\d\}`)
	form  = regexp.MustCompile(`\.(zero|one|two|few|many|other)$`)
)

// stem is a key without the form of its number, which differs by language.
func stem(key string) string { return form.ReplaceAllString(key, "") }

// TestEveryLanguageSaysEverything: the same keys, and the same to fill in.
func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	c := load(t)
	english := c.Languages()[0]
	if english.Tag.String() != "en" {
		t.Fatalf("the first language is %s", english.Tag)
	}
	for _, l := range c.Languages()[1:] {
		for _, pair := range [][2]*Language{{english, l}, {l, english}} {
			has := map[string]bool{}
			for _, key := range pair[1].Keys() {
				has[stem(key)] = true
			}
			for _, key := range pair[0].Keys() {
				if !has[stem(key)] {
					t.Errorf("%s has %q, %s has not", pair[0].Tag, key, pair[1].Tag)
				}
			}
		}
		for _, key := range l.Keys() {
			want, got := blank.FindAllString(english.Text(key), -1), blank.FindAllString(l.Text(key), -1)
			slices.Sort(want)
			slices.Sort(got)
			if english.Has(key) && !slices.Equal(want, got) {
				t.Errorf("%s: %s fills in %v, English %v", key, l.Tag, got, want)
			}
			if l.Text(key) == "" {
				t.Errorf("%s: %s says nothing", key, l.Tag)
			}
		}
	}
}

// TestEveryKeyIsSaidAndShown holds the catalogue against the templates and the
// handlers: none asks for a key that is missing, and no key is left over.
func TestEveryKeyIsSaidAndShown(t *testing.T) {
	t.Parallel()
	english := load(t).Languages()[0]
	var all strings.Builder
	pages := os.DirFS("..")
	for _, pattern := range []string{"*.go", "*/*.go", "view/templates/*.html"} {
		files, err := fs.Glob(pages, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			data, err := fs.ReadFile(pages, f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
	}
	text := all.String()
	for _, m := range regexp.MustCompile(`\.(?:T|N|Text|Count) "([a-z0-9.-]+)"`).FindAllStringSubmatch(text, -1) {
		if !english.Has(m[1]) && !english.Has(m[1]+".other") && !strings.HasSuffix(m[1], ".") {
			t.Errorf("a template asks for %q, which the catalogue has not", m[1])
		}
	}
	made := []string{"role.", "right.", "access.rule.", "start.about.", "error.", "kind.", "job.kind.", "job.state.", "retention.template.", "retention.keeps.", "retention.miss.", "webhooks.event.", "webhooks.format.", "severity.", "endpoint.kind.", "replication.direction.", "run.cause.", "run.state.", "sign.form.", "sign.reason.", "compare.set."} // with a last part that is looked up
	for _, key := range english.Keys() {
		if key != "language" && !strings.Contains(text, `"`+stem(key)+`"`) &&
			!slices.ContainsFunc(made, func(p string) bool { return strings.HasPrefix(key, p) }) {
			t.Errorf("nothing shows %q", key)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, tc := range []struct{ chosen, accept, want string }{
		{"", "", "en"},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"},
		{"", "fr, zh;q=0.4, en;q=0.7", "en"},
		{"", "zh-TW", "zh"},
		{"en", "zh-CN", "en"},
		{"zh", "", "zh"},
		{"<script>", "de", "en"},
		{"", strings.Repeat("zh,", 1<<16), "en"},
		{"", ";;;=,", "en"},
	} {
		if got := c.Choose(tc.chosen, tc.accept).Tag.String(); got != tc.want {
			t.Errorf("chosen %q, accepting %.40q: %s, want %s", tc.chosen, tc.accept, got, tc.want)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, tc := range []struct {
		language string
		n        int64
		want     string
	}{
		{"en", 1, "1 tag"},
		{"en", 0, "0 tags"},
		{"en", 100000, "100000 tags"},
		{"en", 1 << 40, "1099511627776 tags"},
		{"zh", 1, "1 个标签"},
	} {
		if got := c.Choose(tc.language, "").Count("tags.count", tc.n); got != tc.want {
			t.Errorf("%d in %s: %q, want %q", tc.n, tc.language, got, tc.want)
		}
	}
}

func TestTextFillsIn(t *testing.T) {
	t.Parallel()
	l := &Language{texts: map[string]string{"swap": "{1} and {0}"}}
	if got := l.Text("swap", "a", 7); got != "7 and a" {
		t.Error(got)
	}
	if got := l.Text("missing.key"); got != "missing.key" {
		t.Error(got)
	}
}
