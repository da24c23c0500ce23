package markdown_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"cove/registry/web/markdown"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"# App\n\nRuns **it**.":                                     "<h3>App</h3>\n<p>Runs <strong>it</strong>.</p>\n",
		"###### deep":                                               "<h6>deep</h6>\n",
		"a <b>b</b> <script>x</script> c":                           "<p>a b x c</p>\n",
		"<script>alert(1)</script>\n\nok":                           "<p>ok</p>\n",
		"[x](javascript:alert(1))":                                  "<p>x</p>\n",
		"[x](values.yaml)":                                          "<p>x</p>\n",
		"[x](//evil.example)":                                       "<p>x</p>\n",
		"[](https://example.com)":                                   "<p></p>\n",
		"[x](https://example.com/a?b=c)":                            `<p><a href="https://example.com/a?b=c" rel="noreferrer noopener nofollow">x</a></p>` + "\n",
		"![a badge](https://x.example/b.svg)":                       "<p>a badge</p>\n",
		"[![build](https://x.example/b.svg)](https://x.example/ci)": `<p><a href="https://x.example/ci" rel="noreferrer noopener nofollow">build</a></p>` + "\n",
		"[![](https://x.example/b.svg)](https://x.example/ci)":      "<p></p>\n",
		"see https://example.com now":                               `<p>see <a href="https://example.com" rel="noreferrer noopener nofollow">https://example.com</a> now</p>` + "\n",
		"`<img src=x onerror=alert(1)>`":                            "<p><code>&lt;img src=x onerror=alert(1)&gt;</code></p>\n",
		"<javascript:alert(1)>":                                     "<p>javascript:alert(1)</p>\n",
		"[x](data:text/html;base64,PHNjcmlwdD4=)":                   "<p>x</p>\n",
	} {
		got, err := markdown.HTML(source)
		if err != nil || string(got) != want {
			t.Errorf("%q is\n%s want\n%s %v", source, got, want, err)
		}
	}
	table, err := markdown.HTML("| a | b |\n|---|--:|\n| 1 | <i>2</i> |\n")
	if err != nil || !strings.Contains(string(table), "<table>") || strings.Contains(string(table), "<i>") {
		t.Errorf("a table: %s %v", table, err)
	}
}

// FuzzHTML: whatever is written, no element or attribute is there that could run, load or
// style something.
func FuzzHTML(f *testing.F) {
	for _, text := range []string{
		"# a", "<img src=x onerror=y>", "[a](javascript:b)", "![a](http://b)", "|a|\n|-|\n|<b>|", "[a]: javascript:b\n[a]",
		"<http://a\"onclick=b>", "- [ ] a", "    code", "~~~html\n<b>\n~~~", "&lt;script&gt;", "[a](<https://b\" onclick=c>)",
		strings.Repeat("[", 2000), strings.Repeat("> ", 500), strings.Repeat("*a ", 500),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := markdown.HTML(text)
		if err != nil {
			t.Skip()
		}
		doc, err := html.Parse(strings.NewReader(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "script", "style", "img", "iframe", "object", "embed", "form", "input", "link", "meta", "base", "svg", "math", "video":
				t.Errorf("%q has <%s>: %s", text, n.Data, out)
			}
			for _, a := range n.Attr {
				known := n.Data == "a" && (a.Key == "rel" || a.Key == "href" && (strings.HasPrefix(a.Val, "http") || strings.HasPrefix(a.Val, "mailto:"))) ||
					a.Key == "align" || a.Key == "start" || n.Data == "code" && a.Key == "class"
				if !known {
					t.Errorf("%q has %s=%q in <%s>: %s", text, a.Key, a.Val, n.Data, out)
				}
			}
		}
	})
}
