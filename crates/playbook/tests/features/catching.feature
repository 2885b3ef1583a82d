Feature: Try Task
  Who catches an error, and what comes then.

  Scenario: An error that is caught and not handled is forgotten
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-error-that-is-caught-and-not-handled-is-forgotten, version: '1.0.0'}
    do:
      - guarded:
          try:
            - fail: {raise: {error: {type: a, status: 400}}}
          catch: {}
      - after: {set: {seen: "${ . }"}}
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: {a: 1}
    """
    And the journal should be:
    """yaml
    fail faulted
    guarded completed
    after completed
    """

  Scenario: What comes after an error may be another task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-comes-after-an-error-may-be-another-task, version: '1.0.0'}
    do:
      - guarded:
          try:
            - fail: {raise: {error: {type: a, status: 400}}}
          catch: {then: failed}
          then: fine
      - fine: {set: {status: fine}, then: end}
      - failed: {set: {status: failed}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: failed
    """

  Scenario: Without an error the own directive counts
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: without-an-error-the-own-directive-counts, version: '1.0.0'}
    do:
      - guarded:
          try:
            - work: {set: {a: 1}}
          catch: {then: failed}
          then: fine
      - failed: {set: {status: failed}, then: end}
      - fine: {set: {status: fine}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: fine
    """

  Scenario: An error that a filter does not let in goes on outwards
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-error-that-a-filter-does-not-let-in-goes-on-outwards, version: '1.0.0'}
    do:
      - outer:
          try:
            - inner:
                try:
                  - fail: {raise: {error: {type: b, status: 400, title: Broken}}}
                catch: {errors: {with: {type: a}}}
          catch:
            when: $error.title == "Broken"
            do:
              - note: {set: {at: "${ $error.instance }"}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/outer/try/0/inner/try/0/fail
    """
    And the journal should be:
    """yaml
    fail faulted
    inner faulted
    note completed
    outer completed
    """

  Scenario: An error of the handler is not caught by the same task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-error-of-the-handler-is-not-caught-by-the-same-task, version: '1.0.0'}
    do:
      - guarded:
          try:
            - fail: {raise: {error: {type: a, status: 400}}}
          catch:
            do:
              - worse: {raise: {error: {type: b, status: 500}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: b
    status: 500
    instance: /do/0/guarded/catch/do/0/worse
    """
    And the journal should be:
    """yaml
    fail faulted
    worse faulted
    """

  Scenario: What decides about an error may fail, and that is the error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-decides-about-an-error-may-fail-and-that-is-the-error, version: '1.0.0'}
    do:
      - guarded:
          try:
            - fail: {raise: {error: {type: a, status: 400}}}
          catch: {when: .a.b}
    """
    And given the workflow input is:
    """yaml
    a: [1]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/expression
    instance: /do/0/guarded
    """

  Scenario: A try in a fork in a loop
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-try-in-a-fork-in-a-loop, version: '1.0.0'}
    do:
      - each:
          for: {each: n, in: .numbers, at: i}
          do:
            - both:
                fork:
                  branches:
                    - safe:
                        try:
                          - check:
                              if: $n == 2
                              raise: {error: {type: a, status: 400, detail: '${ "number \($i)" }'}}
                          - fine: {set: '${ ["fine \($n)"] }'}
                        catch:
                          do:
                            - bad: {set: "${ [$error.detail] }"}
                    - other: {set: "${ [$n * 10] }"}
                output: {as: "[.[][]]"}
                export: {as: "$context + $output"}
      - all: {set: "${ $context }"}
    """
    And given its context is:
    """yaml
    []
    """
    And given the workflow input is:
    """yaml
    numbers: [1, 2, 3]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ["fine 1", 10, "number 1", 20, "fine 3", 30]
    """
