"""Training on folders of images and masks: the recipe, the data, the crops and the scores."""
