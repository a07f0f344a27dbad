package create

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"charm.land/huh/v2"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/imageref"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/printable"
)

// nothing is the result of a form that was cancelled.
const nothing = "nothing was created"

// answers are those of the form.
type answers struct {
	name, flavor, home, image string
	// whose says which keys may log in: own, or those of a GitHub user or a file,
	// which key names.
	whose keySource
	key   string
}

type keySource int

const (
	own keySource = iota
	github
	file
)

// ask asks for what the flags leave out.
func (c *creator) ask(ctx context.Context) error {
	if c.known && len(c.flavors) == 0 {
		return exit.With(exit.Refused, errors.New("the cluster has no flavors: ask its admin for one"))
	}
	a := &answers{name: c.Waiting.Name, flavor: c.Flavor}
	if standard := flavors.Default(c.flavors); a.flavor == "" && standard != nil {
		a.flavor = standard.Name
	}
	mine, _ := keys.Find(ctx, c.Keys) // Without a key, the form asks for one.
	groups := append([]*huh.Group{c.sizeGroup(a)}, c.moreGroups(a, mine)...)
	if err := confirm.Form(huh.NewForm(groups...), c.streams).RunWithContext(ctx); err != nil {
		return confirm.Ended(err, nothing)
	}
	c.take(a)
	return nil
}

// sizeGroup asks for name and flavor.
func (c *creator) sizeGroup(a *answers) *huh.Group {
	var fields []huh.Field
	if c.Waiting.Name == "" {
		fields = append(fields, huh.NewInput().Title("Name").
			Description("Lower-case letters, digits and -").Value(&a.name).Validate(validName))
	}
	if c.Flavor == "" && len(c.flavors) > 0 {
		fields = append(fields, huh.NewSelect[string]().Title("Flavor").
			Description("What the server gets, and what fits now").
			Options(choices(c.flavors)...).Value(&a.flavor))
	}
	return c.titled(huh.NewGroup(fields...))
}

// titled adds a title and how to cancel to every page.
func (c *creator) titled(group *huh.Group) *huh.Group {
	return group.Title(printable.Sprintf("A new DevServer for %s in namespace %s", c.Owner, c.Waiting.Namespace)).
		Description("Esc cancels; nothing is created.\n")
}

// choices are the flavors, in aligned columns.
func choices(list []devserverv1.DevServerFlavor) (options []huh.Option[string]) {
	standard := flavors.Default(list)
	name, size := 0, 0
	for i := range list {
		name, size = max(name, len(printable.Line(list[i].Name, 0))), max(size, len(printable.Line(flavors.Size(&list[i]), 0)))
	}
	for i := range list {
		f := &list[i]
		text := printable.Sprintf("%-*s  %-*s  %s", name, f.Name, size, flavors.Size(f), flavors.Fits(f))
		if f == standard {
			text += " (default)"
		}
		options = append(options, huh.NewOption(text, f.Name))
	}
	return options
}

// moreGroups ask for what has a default.
func (c *creator) moreGroups(a *answers, mine []keys.Key) []*huh.Group {
	var fields []huh.Field
	if c.HomeSize == "" {
		fields = append(fields, huh.NewInput().Title("Size of the home directory").
			DescriptionFunc(func() string { return c.homeHint(a.flavor) }, &a.flavor).
			PlaceholderFunc(func() string { return c.usual(a.flavor) }, &a.flavor).
			Value(&a.home).Validate(func(size string) error { return c.validHome(size, a.flavor) }))
	}
	if c.Image == "" {
		fields = append(fields, huh.NewInput().Title("Image").Description("Any container image; empty for the flavor's").
			Value(&a.image).Validate(func(image string) error { return c.validImage(image, a.flavor) }))
	}
	groups := []*huh.Group{}
	if !c.Keys.Asked() {
		options := []huh.Option[keySource]{huh.NewOption("those of a GitHub user", github), huh.NewOption("one in a file", file)}
		if a.whose = github; len(mine) > 0 {
			options = slices.Insert(options, 0, huh.NewOption("yours: "+printable.Line(keys.Words(mine), 0), own))
			a.whose = own
		}
		fields = append(fields, huh.NewSelect[keySource]().Title("Who may log in").
			Description("Keys that the server accepts").Options(options...).Value(&a.whose))
		groups = append(groups, c.titled(huh.NewGroup(huh.NewInput().
			TitleFunc(func() string {
				if a.whose == github {
					return "GitHub user"
				}
				return "Public key file"
			}, &a.whose).Description("Empty for your own keys").Value(&a.key))).WithHideFunc(func() bool { return a.whose == own }))
	}
	if len(fields) > 0 {
		groups = slices.Insert(groups, 0, c.titled(huh.NewGroup(fields...)))
	}
	return groups
}

// take puts the answers in place of flags.
func (c *creator) take(a *answers) {
	c.asked = true
	c.Waiting.Name, c.Flavor = a.name, a.flavor
	if size := strings.TrimSpace(a.home); size != "" {
		c.HomeSize = size
	}
	if image := strings.TrimSpace(a.image); image != "" {
		c.Image = image
	}
	switch key := strings.TrimSpace(a.key); {
	case c.Keys.Asked(), key == "":
	case a.whose == github:
		c.Keys.GitHub = []string{key}
	case a.whose == file:
		c.Keys.Files = []string{key}
	}
}

// confirm shows what will be created, and the command that does it without a form.
func (c *creator) confirm(ctx context.Context, wanted *devserverv1.DevServer) error {
	object, err := manifest(wanted)
	if err != nil {
		return err
	}
	shown, err := output.ToYAML(object.Object)
	if err != nil {
		return fmt.Errorf("showing DevServer %s: %w", wanted.Name, err)
	}
	output.Lines(c.streams.ErrOut, string(shown))
	output.Printf(c.streams.ErrOut, "\nThe same without a form:\n  %s\n\n", c.commandLine())
	return confirm.Ask(ctx, confirm.Question{Title: "Create it?", Yes: "Create", Usual: true, Left: nothing}, c.streams)
}

// nameRule is the API's.
var nameRule = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$`)

func validName(name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	return errors.New("it must be at most 50 lower-case letters, digits and '-', start with a letter and end with a letter or digit")
}

func (c *creator) validHome(size, flavor string) error {
	if size = strings.TrimSpace(size); size == "" {
		return nil
	}
	quantity, err := parseSize(size)
	if err != nil || quantity.Sign() <= 0 {
		return errors.New("a size such as 100Gi")
	}
	if f := flavors.Find(c.flavors, flavor); f != nil {
		if refused := policy.HomeSizeRefused(quantity, f); refused != "" {
			return errors.New(printable.Prose(refused, 0))
		}
	}
	return nil
}

func (c *creator) validImage(image, flavor string) error {
	if image = strings.TrimSpace(image); image == "" {
		return nil
	}
	if err := imageref.Check(image); err != nil {
		return err
	}
	if f := flavors.Find(c.flavors, flavor); f != nil {
		if refused := policy.ImageRefused(image, f); refused != "" {
			return errors.New(printable.Prose(refused, 0))
		}
	}
	return nil
}

// usual is the size of a home directory without an answer.
func (c *creator) usual(flavor string) string {
	if size := usualHome(flavors.Find(c.flavors, flavor)); !size.IsZero() {
		return size.String()
	}
	return apiDefault.String()
}

func (c *creator) homeHint(flavor string) string {
	return "It outlives the server, and can grow later; empty for " + c.usual(flavor)
}
