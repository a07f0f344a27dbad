package main

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/loader"
)

// Bounds of Kubernetes' own types, which markers in api/ cannot set. Without them
// the API server estimates every validation rule on such a value as too costly and
// refuses the CustomResourceDefinition.
var (
	maxQuantityLength = int64(32)
	maxResources      = int64(32)
)

// boundForeignTypes changes the schema of Kubernetes' own types.
//
// It removes the pattern of Quantity: the pattern accepts "1e5.5", which cannot be
// decoded, and with both a pattern and a rule a user would see two messages about
// one mistake. Every field with a Quantity requires a rule with isQuantity instead:
// one object that cannot be decoded makes listing all of them fail.
func boundForeignTypes() {
	crd.KnownPackages["k8s.io/apimachinery/pkg/api/resource"] = func(p *crd.Parser, pkg *loader.Package) {
		p.Schemata[crd.TypeIdent{Package: pkg, Name: "Quantity"}] = quantity()
	}
	crd.KnownPackages["k8s.io/api/core/v1"] = func(p *crd.Parser, pkg *loader.Package) {
		p.AddPackage(pkg)
		value := quantity()
		p.Schemata[crd.TypeIdent{Package: pkg, Name: "ResourceList"}] = apiextensionsv1.JSONSchemaProps{
			Type:                 "object",
			MaxProperties:        &maxResources,
			AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &value},
		}
	}
}

func quantity() apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{
		XIntOrString: true,
		AnyOf:        []apiextensionsv1.JSONSchemaProps{{Type: "integer"}, {Type: "string"}},
		MaxLength:    &maxQuantityLength,
	}
}
