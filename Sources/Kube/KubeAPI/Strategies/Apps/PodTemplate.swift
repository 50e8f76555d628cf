import JSONTree

/// The pod template of a workload: its defaults, and the rules that hold between it and the workload's selector.
enum PodTemplate {
    static func applyDefaults(to object: inout JSON) {
        guard object[path: "spec", "template", "spec"]?.object != nil else { return }
        object["spec"]?["template"]?.withObject { members in
            var template = JSON.object(members)
            PodDefaults.applyToTemplate(&template)
            members = template.object ?? members
        }
    }

    /// Selector and template of a workload whose pods run for ever.
    static func validate(_ spec: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let selector = spec["selector"]
        if let selector {
            LabelSelectorValidation.validate(selector, at: path.child("selector"), &errors)
            if LabelSelectorValidation.isEmpty(selector) {
                errors.append(.invalid(path.child("selector"), selector, "empty selector is invalid for deployment"))
            }
        } else {
            errors.append(.required(path.child("selector")))
        }
        let templatePath = path.child("template")
        guard let template = spec["template"] else {
            errors.append(.required(templatePath))
            return
        }
        if let selector, !LabelSelectorValidation.isEmpty(selector), let requirements = try? LabelRequirements(selector: selector),
            !requirements.matches(labelsOf: template)
        {
            let labels = template[path: "metadata", "labels"] ?? .null
            errors.append(.invalid(
                templatePath.child("metadata").child("labels"), labels, "`selector` does not match template `labels`"))
        }
        validateTemplate(template, at: templatePath, &errors)
    }

    private static func validateTemplate(_ template: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        ObjectMetaValidation.validateLabels(template[path: "metadata", "labels"], at: path.child("metadata").child("labels"), &errors)
        ObjectMetaValidation.validateAnnotations(
            template[path: "metadata", "annotations"], at: path.child("metadata").child("annotations"), &errors)
        let specPath = path.child("spec")
        guard let spec = template["spec"], !(spec["containers"]?.array ?? []).isEmpty else {
            errors.append(.required(specPath.child("containers")))
            return
        }
        PodSpecValidation.validate(spec, at: specPath, &errors)
        if let policy = spec["restartPolicy"], policy != "Always" {
            errors.append(.unsupported(specPath.child("restartPolicy"), policy, supported: ["Always"]))
        }
        if spec["activeDeadlineSeconds"] != nil {
            errors.append(.forbidden(specPath.child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported"))
        }
        if !(spec["ephemeralContainers"]?.array ?? []).isEmpty {
            errors.append(.forbidden(specPath.child("ephemeralContainers"), "ephemeral containers not allowed in pod template"))
        }
    }

    /// The selector of a workload is what its pods are known by, so it stays.
    static func validateSelectorUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        guard object["spec"]?["selector"] != old["spec"]?["selector"] else { return }
        errors.append(.invalid(FieldPath.spec.child("selector"), object["spec"]?["selector"] ?? .null, "field is immutable"))
    }
}
