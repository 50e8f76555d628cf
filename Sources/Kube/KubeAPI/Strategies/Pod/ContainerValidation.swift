import JSONTree

/// The rules for one container.
struct ContainerValidation {
    let spec: JSON
    /// The names of the pod's volumes.
    let volumes: Set<String>
    let isInit: Bool
    private(set) var errors: [FieldError] = []

    init(spec: JSON, volumes: Set<String>, isInit: Bool) {
        self.spec = spec
        self.volumes = volumes
        self.isInit = isInit
    }

    mutating func validate(_ container: JSON, at path: FieldPath) {
        validateImage(container, at: path.child("image"))
        validatePorts(container["ports"]?.array ?? [], at: path.child("ports"))
        validateEnvironment(container, at: path)
        validateMounts(container, at: path.child("volumeMounts"))
        validateProbes(container, at: path)
        ResourceValidation.validate(container["resources"], at: path.child("resources"), &errors)
        validateSecurityContext(container["securityContext"], at: path.child("securityContext"))
        if isInit { validateInit(container, at: path) }
    }

    private mutating func validateImage(_ container: JSON, at path: FieldPath) {
        let image = container["image"]?.string ?? ""
        if image.isEmpty {
            errors.append(.required(path))
        } else if image.first == " " || image.last == " " {
            errors.append(.invalid(path, JSON(image), "must not have leading or trailing whitespace"))
        }
    }

    private mutating func validatePorts(_ ports: [JSON], at path: FieldPath) {
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let path = path.index(index)
            if let name = port["name"]?.string, !name.isEmpty, !names.insert(name).inserted {
                errors.append(.duplicate(path.child("name"), JSON(name)))
            }
            if spec["hostNetwork"] == true, let host = port["hostPort"], host != port["containerPort"] {
                errors.append(.invalid(path.child("containerPort"), port["containerPort"] ?? 0, "must match `hostPort` when `hostNetwork` is true"))
            }
        }
    }

    private mutating func validateEnvironment(_ container: JSON, at path: FieldPath) {
        for (index, variable) in (container["env"]?.array ?? []).enumerated() {
            guard let source = variable["valueFrom"] else { continue }
            let path = path.child("env").index(index).child("valueFrom")
            let sources = source.object?.keys ?? []
            if sources.isEmpty {
                errors.append(.invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
            } else if sources.count > 1 {
                errors.append(.invalid(path, "", "may not have more than one field specified at a time"))
            }
            if let value = variable["value"]?.string, !value.isEmpty, !sources.isEmpty {
                errors.append(.invalid(path, "", "may not be specified when `value` is not empty"))
            }
            if let reference = source["fieldRef"] {
                FieldReference.validate(reference, at: path.child("fieldRef"), allowed: FieldReference.forVariables, &errors)
            }
            for reference in ["configMapKeyRef", "secretKeyRef"] where source[reference] != nil && (source[reference]?["name"]?.string ?? "").isEmpty {
                errors.append(.required(path.child(reference).child("name")))
            }
        }
        for (index, source) in (container["envFrom"]?.array ?? []).enumerated() {
            let path = path.child("envFrom").index(index)
            let references = (source.object?.keys ?? []).filter { $0 != "prefix" }
            if references.isEmpty { errors.append(.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")) }
            if references.count > 1 { errors.append(.invalid(path, "", "may not have more than one field specified at a time")) }
            for reference in references where (source[reference]?["name"]?.string ?? "").isEmpty {
                errors.append(.required(path.child(reference).child("name")))
            }
        }
    }

    private mutating func validateMounts(_ container: JSON, at path: FieldPath) {
        var paths: Set<String> = []
        let privileged = container["securityContext"]?["privileged"] == true
        for (index, mount) in (container["volumeMounts"]?.array ?? []).enumerated() {
            let path = path.index(index)
            if let name = mount["name"]?.string, !name.isEmpty, !volumes.contains(name) { errors.append(.notFound(path.child("name"), JSON(name))) }
            if let place = mount["mountPath"]?.string, !place.isEmpty, !paths.insert(place).inserted {
                errors.append(.invalid(path.child("mountPath"), JSON(place), "must be unique"))
            }
            if (mount["subPath"] ?? "") != "", (mount["subPathExpr"] ?? "") != "" {
                errors.append(.invalid(path.child("subPathExpr"), mount["subPathExpr"] ?? "", "subPathExpr and subPath are mutually exclusive"))
            }
            if mount["mountPropagation"] == "Bidirectional", !privileged {
                errors.append(.forbidden(
                    path.child("mountPropagation"), "Bidirectional mount propagation is available only to privileged containers"))
            }
            if let mode = mount["recursiveReadOnly"], mode != "Disabled", mount["readOnly"] != true {
                errors.append(.forbidden(path.child("recursiveReadOnly"), "may only be specified when readOnly is true"))
            }
        }
        for (index, device) in (container["volumeDevices"]?.array ?? []).enumerated() {
            guard let name = device["name"]?.string, !name.isEmpty, !volumes.contains(name) else { continue }
            errors.append(.notFound(FieldPath(path.description.replacingSuffix("volumeMounts", by: "volumeDevices")).index(index).child("name"), JSON(name)))
        }
    }

    // MARK: Probes and handlers

    private static let handlers = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"]

    private mutating func validateProbes(_ container: JSON, at path: FieldPath) {
        for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
            guard let probe = container[name] else { continue }
            validateHandler(probe, at: path.child(name))
            if name != "readinessProbe", let threshold = probe["successThreshold"]?.int, threshold != 1 {
                errors.append(.invalid(path.child(name).child("successThreshold"), JSON(threshold), "must be 1"))
            }
            if name == "readinessProbe", let grace = probe["terminationGracePeriodSeconds"] {
                errors.append(.invalid(path.child(name).child("terminationGracePeriodSeconds"), grace, "must not be set for readinessProbes"))
            }
        }
        for name in ["postStart", "preStop"] {
            if let handler = container["lifecycle"]?[name] { validateHandler(handler, at: path.child("lifecycle").child(name)) }
        }
    }

    private mutating func validateHandler(_ handler: JSON, at path: FieldPath) {
        let kinds = Self.handlers.filter { handler[$0] != nil }
        if kinds.isEmpty { errors.append(.required(path, "must specify a handler type")) }
        for kind in kinds.dropFirst() { errors.append(.forbidden(path.child(kind), "may not specify more than 1 handler type")) }
        if let exec = handler["exec"], (exec["command"]?.array ?? []).isEmpty { errors.append(.required(path.child("exec").child("command"))) }
    }

    private mutating func validateInit(_ container: JSON, at path: FieldPath) {
        if container["restartPolicy"] == "Always" { return }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] where container[name] != nil {
            errors.append(.forbidden(path.child(name), "may not be set for init containers without restartPolicy=Always"))
        }
    }

    private mutating func validateSecurityContext(_ context: JSON?, at path: FieldPath) {
        SecurityProfiles.validate(context, at: path, &errors)
        guard context?["allowPrivilegeEscalation"] == false else { return }
        if context?["privileged"] == true {
            errors.append(.invalid(path, context ?? [:], "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
        }
        let added = context?["capabilities"]?["add"]?.array ?? []
        if added.contains("CAP_SYS_ADMIN") {
            errors.append(.invalid(path, context ?? [:], "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
        }
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String, by other: String) -> String {
        hasSuffix(suffix) ? dropLast(suffix.count) + other : self
    }
}
