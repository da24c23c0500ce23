// Package markdown shows text that strangers wrote, as the README of a chart: Markdown as
// HTML that runs nothing, loads nothing and leads only to where it says.
package markdown

import (
	"bytes"
	"html/template"
	"net/url"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// below is how far headings are put below those of the page, which has two levels above.
const below = 2

// lowest is the last level of headings that HTML has.
const lowest = 6

// HTML renders a text. What is HTML in it is left out, and so are pictures, which are on
// other hosts: what they show is said in words. A link leads to http, https or mailto, or
// it is text.
func HTML(source string) (template.HTML, error) {
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tame{}, 1000))),
	)
	var out bytes.Buffer
	if err := md.Convert([]byte(source), &out); err != nil {
		return "", err
	}
	return template.HTML(out.String()), nil //nolint:gosec // the renderer escapes, and tame took out the rest
}

// tame changes what was parsed before it is rendered.
type tame struct{}

// Transform implements parser.ASTTransformer.
func (tame) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var all []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			all = append(all, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range all {
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(n.Level+below, lowest)
		case *ast.HTMLBlock, *ast.RawHTML:
			n.Parent().RemoveChild(n.Parent(), n)
		case *ast.Image:
			unwrap(n)
		case *ast.Link:
			if !leads(string(n.Destination)) || !says(n, reader.Source()) {
				unwrap(n)
			} else {
				n.Title = nil
				n.SetAttributeString("rel", []byte(rel))
			}
		case *ast.AutoLink:
			if !leads(string(n.URL(reader.Source()))) && n.AutoLinkType != ast.AutoLinkEmail {
				said := ast.NewString(n.Label(reader.Source()))
				n.Parent().ReplaceChild(n.Parent(), n, said)
			} else {
				n.SetAttributeString("rel", []byte(rel))
			}
		}
	}
}

const rel = "noreferrer noopener nofollow"

// leads says that an address is one to go to.
func leads(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") || u.Scheme == "mailto")
}

// says says that there is text in a node, without which nobody hears of a link.
func says(n ast.Node, source []byte) bool {
	found := false
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			found = found || len(bytes.TrimSpace(n.Segment.Value(source))) > 0
		case *ast.String:
			found = found || len(bytes.TrimSpace(n.Value)) > 0
		}
		return ast.WalkContinue, nil
	})
	return found
}

// unwrap puts what is in a node in its place.
func unwrap(n ast.Node) {
	parent := n.Parent()
	for child := n.FirstChild(); child != nil; {
		next := child.NextSibling()
		parent.InsertBefore(parent, n, child)
		child = next
	}
	parent.RemoveChild(parent, n)
}
